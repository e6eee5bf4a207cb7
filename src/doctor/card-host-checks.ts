import { type Check, check } from "./check.ts";

/** What can be said of the way to a card host, and of what is there. */
export const cardHostChecks = {
  "ssh-missing": check("ssh", ["fault"], "There is no ssh program here, or none by that name."),
  "ssh-client": check("ssh", ["good"], "The ssh program here is OpenSSH 6.7 or later."),
  "ssh-client-old": check(
    "ssh",
    ["fault"],
    "The ssh program here is older than OpenSSH 6.7, the first that forwards Unix sockets.",
  ),
  "ssh-client-unknown": check(
    "ssh",
    ["note"],
    "The ssh program does not say that it is OpenSSH, or not which. cardwire needs OpenSSH's ControlMaster and Unix socket forwarding.",
  ),
  "ssh-connects": check("ssh", ["good"], "ssh reached the card host and logged in."),
  "ssh-host-unknown": check("ssh", ["fault"], "ssh finds no address for the host."),
  "ssh-unreachable": check("ssh", ["fault"], "No sshd answers at that address and port."),
  "ssh-login-refused": check("ssh", ["fault"], "The card host does not accept the login."),
  "ssh-host-key": check("ssh", ["fault"], "The host's key is unknown here, or it has changed."),
  "ssh-config": check("ssh", ["fault"], "ssh rejects its configuration or its arguments."),
  "ssh-silent": check("ssh", ["fault"], "ssh did not come to an end with its login in time."),
  "ssh-failed": check("ssh", ["fault"], "ssh failed for another reason; its own words are shown."),

  "sshd-version": check("sshd", ["good"], "The card host's sshd is OpenSSH 6.7 or later."),
  "sshd-old": check(
    "sshd",
    ["fault"],
    "The card host's sshd is older than OpenSSH 6.7, the first that forwards Unix sockets.",
  ),
  "sshd-not-openssh": check(
    "sshd",
    ["note"],
    "The card host's ssh server is not OpenSSH. Few others forward Unix sockets.",
  ),
  "sshd-forwards": check("sshd", ["good"], "sshd forwards to pcscd's socket: `attach` works."),
  "sshd-forbids-forwarding": check(
    "sshd",
    ["fault"],
    "sshd forbids to forward to pcscd's socket, as `attach` and `run` need it (AllowStreamLocalForwarding, AllowTcpForwarding, DisableForwarding, PermitOpen). The remedy names the line where it can be read.",
  ),
  "sshd-key-restricted": check(
    "sshd",
    ["fault", "warning"],
    "The key that logged in is restricted in authorized_keys: `restrict` or `no-port-forwarding`, or `permitopen`, which names no Unix socket.",
  ),
  "sshd-listens": check("sshd", ["good"], "sshd opens a socket over there for us: `share` works."),
  "sshd-forbids-listening": check(
    "sshd",
    ["warning"],
    "sshd forbids to open a socket over there, as `share` to that host needs it. `attach` does not.",
  ),
  "sshd-bind-unlink": check(
    "sshd",
    ["note"],
    "Whether `StreamLocalBindUnlink` is on over there. cardwire does not need it.",
  ),
  "sshd-max-sessions": check(
    "sshd",
    ["warning"],
    "sshd allows fewer than two sessions on one connection (MaxSessions). `share` needs two.",
  ),
  "sshd-no-shell": check(
    "sshd",
    ["note"],
    "This login gets no shell: a forced command, or an account without one. `attach` needs none, but much could not be found out.",
  ),
  "sshd-untried": check(
    "sshd",
    ["note"],
    "What sshd allows could not be tried, for the reason that is given.",
  ),

  "pcscd-answers": check("pcscd", ["good"], "pcscd answers, in a protocol that cardwire knows."),
  "pcscd-not-installed": check("pcscd", ["fault", "note"], "pcscd is not installed."),
  "pcscd-not-running": check(
    "pcscd",
    ["fault", "note"],
    "pcscd is installed, but its socket is not there; or no socket is at the path that was asked about.",
  ),
  "pcscd-dead-socket": check(
    "pcscd",
    ["fault", "note"],
    "pcscd's socket is there as a file, and nobody listens at it.",
  ),
  "pcscd-denied": check("pcscd", ["fault"], "This user may not connect to pcscd's socket."),
  "pcscd-silent": check("pcscd", ["fault"], "pcscd takes the connection and does not answer."),
  "pcscd-version": check("pcscd", ["fault"], "pcscd speaks no protocol that cardwire knows."),
  "pcscd-full": check("pcscd", ["fault"], "pcscd has 200 connections, and takes no more."),
  "pcscd-hangs-up": check(
    "pcscd",
    ["fault"],
    "pcscd closes the connection without a word, and it could not be found out why.",
  ),
  "pcscd-unreachable": check(
    "pcscd",
    ["fault"],
    "ssh does not reach pcscd, and without a shell over there nobody can say why.",
  ),
  "pcscd-activation": check(
    "pcscd",
    ["good", "note"],
    "Whether systemd starts pcscd when it is needed, and whether it ends by itself when idle.",
  ),
  "polkit-refuses": check(
    "pcscd",
    ["fault"],
    "polkit refuses this user. By default it admits only those who sit at the card host itself. The remedy is a rule, filled in.",
  ),
  "polkit-admits": check("pcscd", ["good"], "pcscd asks polkit, and polkit admits this user."),
  "polkit-old": check(
    "pcscd",
    ["note"],
    "polkit is older than 0.106 and takes no JavaScript rules, but .pkla files.",
  ),

  readers: check("readers", ["good"], "pcscd has these readers."),
  "readers-none": check("readers", ["warning"], "pcscd has no readers."),
  "ccid-driver-missing": check(
    "readers",
    ["fault", "warning"],
    "The driver for USB readers (CCID) is not installed where pcscd runs.",
  ),
  "reader-taken-from-pcscd": check(
    "readers",
    ["warning"],
    "A USB reader is plugged in that pcscd does not have while GnuPG's scdaemon runs, which takes readers for itself.",
  ),
  "card-mute": check("readers", ["warning"], "There is a card in the reader that does not answer."),
  "reader-exclusive": check(
    "readers",
    ["warning"],
    "One program holds the reader for itself; all others get SCARD_E_SHARING_VIOLATION.",
  ),
  "readers-differ": check(
    "readers",
    ["warning"],
    "An attachment here shows other readers than its card host has.",
  ),

  "line-round-trip": check(
    "line",
    ["good"],
    "The time of one exchange with pcscd, and what a signature takes with it.",
  ),
  "line-slow": check("line", ["note"], "The same, where a signature takes five seconds or more."),
} as const satisfies Readonly<Record<string, Check>>;
