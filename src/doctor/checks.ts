/** What doctor prints together, in this order. */
export const groups = {
  ssh: "ssh to the card host",
  sshd: "sshd on the card host",
  pcscd: "pcscd",
  readers: "readers and cards",
  line: "the line",
  sockets: "attachments and sockets here",
  environment: "environment of programs here",
  libraries: "libpcsclite",
  cardwire: "cardwire itself",
} as const;
export type Group = keyof typeof groups;

/**
 * - `good`: as it should be.
 * - `note`: worth knowing; also a check that could not be done.
 * - `warning`: works, but not for everybody, or not for long.
 * - `fault`: programs get no cards because of it.
 */
export type Level = "good" | "note" | "warning" | "fault";

interface Check {
  readonly group: Group;
  readonly levels: readonly [Level, ...Level[]];
  /** What it means when doctor reports it. */
  readonly means: string;
}

const check = <const L extends readonly [Level, ...Level[]]>(
  group: Group,
  levels: L,
  means: string,
) => ({ group, levels, means });

/** Everything doctor can say. A name never changes its meaning. */
export const checks = {
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
    "pcscd is installed, but its socket is not there.",
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

  "runtime-directory": check(
    "sockets",
    ["fault"],
    "The directory of cardwire's sockets is open to others, not yours, or cannot be made.",
  ),
  attachment: check("sockets", ["good"], "This attachment runs and answers."),
  "attachment-silent": check("sockets", ["fault"], "This attachment runs and does not answer."),
  "attachment-dead": check(
    "sockets",
    ["warning"],
    "What an attachment left behind that was killed. Programs that are pointed there find nobody.",
  ),
  "attachment-duplicate": check(
    "sockets",
    ["warning"],
    "Several attachments lead to the same place.",
  ),
  "socket-stale": check(
    "sockets",
    ["warning"],
    "A socket file in the run-time directory at which nobody listens.",
  ),
  "directory-left": check(
    "sockets",
    ["note"],
    "A directory that a killed cardwire left behind. The next one removes it.",
  ),
  "sockets-unknown": check("sockets", ["note"], "The run-time directory could not be read."),

  variable: check(
    "environment",
    ["good"],
    "Programs started from here find an attachment or pcscd.",
  ),
  "variable-unset": check(
    "environment",
    ["warning"],
    "An attachment runs, and PCSCLITE_CSOCK_NAME is not set here: programs do not find it.",
  ),
  "local-pcscd-in-the-way": check(
    "environment",
    ["warning"],
    "The same, and a pcscd runs here too: programs see its readers only.",
  ),
  "variable-elsewhere": check(
    "environment",
    ["note"],
    "PCSCLITE_CSOCK_NAME leads to a socket that belongs to none of the attachments here.",
  ),
  "variable-missing-socket": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME leads to a file that does not exist.",
  ),
  "variable-not-a-socket": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME leads to something that is not a socket.",
  ),
  "variable-dead-socket": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME leads to a socket at which nobody listens.",
  ),
  "variable-denied": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME leads to a socket that this user may not use.",
  ),
  "variable-silent": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME leads to a socket whose owner does not answer as pcscd would.",
  ),
  "variable-too-long": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME is longer than the 107 bytes that a socket's path may have.",
  ),
  "variable-ignored": check(
    "environment",
    ["warning", "note"],
    "This program runs with other rights than its user's (set-user-ID, set-group-ID, file capabilities), and libpcsclite 2.0 and later ignores the variable then.",
  ),
  "program-follows": check(
    "environment",
    ["good"],
    "This program, given by --program, follows the variable.",
  ),
  "program-unknown": check(
    "environment",
    ["note"],
    "The program that was given by --program could not be looked at.",
  ),
  "session-environment": check(
    "environment",
    ["note"],
    "The variable is set in this shell, but not for programs that systemd or the desktop starts.",
  ),

  library: check("libraries", ["good"], "This libpcsclite works with cardwire."),
  "library-missing": check("libraries", ["note"], "No libpcsclite was found."),
  "library-old": check(
    "libraries",
    ["fault"],
    "This libpcsclite is older than 1.6.5, which speaks protocol 4:2, the oldest that cardwire serves.",
  ),
  "library-ignores-variable": check(
    "libraries",
    ["warning"],
    "This libpcsclite does not know PCSCLITE_CSOCK_NAME: it always uses the path compiled into it.",
  ),
  "library-slots": check(
    "libraries",
    ["warning"],
    "This libpcsclite expects 48 reader slots, as Fedora builds it.",
  ),
  "library-bundled": check(
    "libraries",
    ["note"],
    "A program brings its own copy of libpcsclite, or has it compiled in.",
  ),
  "libraries-unknown": check("libraries", ["note"], "It could not be looked for libraries."),

  node: check("cardwire", ["good"], "Node.js is 20.19 or later."),
  "node-old": check("cardwire", ["fault"], "Node.js is older than 20.19, which cardwire needs."),
  "koffi-missing": check(
    "cardwire",
    ["note"],
    "The optional package koffi is missing: cardwire cannot tell which user a program belongs to.",
  ),
  "check-failed": check(
    "cardwire",
    ["note"],
    "A part of the examination could not be done in time, or failed.",
  ),
} as const satisfies Readonly<Record<string, Check>>;

export type CheckName = keyof typeof checks;

/** The levels at which a check can be reported. */
export type LevelOf<C extends CheckName> = (typeof checks)[C]["levels"][number];
