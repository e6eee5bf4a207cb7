import { CardwireError } from "../../domain/errors.ts";
import {
  nobodyListens,
  notInstalled,
  notThere,
  type PcscdPlace,
  refused,
  socketDenied,
} from "../pcscd-silence.ts";
import { shellWord } from "../../domain/shell-word.ts";

/** What the script found out on the card host. */
export interface Findings {
  readonly user: string | undefined;
  readonly root: boolean;
  /** Whether a pcscd program is there. */
  readonly installed: boolean;
  /** Whether that pcscd was built with polkit. */
  readonly polkit: boolean;
  /** What became of a connect to the socket from a process over there. */
  readonly connect: "ok" | "missing" | "refused" | "denied";
}

const MARK = "cardwire-probe-1";

/**
 * A script for any POSIX sh that says, a `name=value` a line, what there is to know about a pcscd's socket.
 *
 * sshd answers a forward that is forbidden, one to a missing socket and one that is refused all alike ("open failed"),
 * so somebody over there has to look. Perl can connect; without it, /proc/net/unix lists who listens.
 */
export function probeScript(socket: string): string {
  return `
s=${shellWord(socket)}
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
echo
echo ${MARK}
echo "user=$(id -un)"
echo "uid=$(id -u)"
command -v pcscd >/dev/null 2>&1 && echo installed=yes
[ -e /usr/share/polkit-1/actions/org.debian.pcsc-lite.policy ] && echo polkit=yes
listens() {
  r=$(readlink -f "$s" 2>/dev/null || echo "$s")
  while read -r _ _ _ flags _ _ _ path; do
    [ "$flags" = 00010000 ] && [ -n "$path" ] || continue
    case $path in "$s"|"$r") return 0 ;; esac
  done </proc/net/unix
  return 1
}
tried=$(perl -MSocket -MErrno -e '
  socket(S, PF_UNIX, SOCK_STREAM, 0) or exit;
  print connect(S, pack_sockaddr_un($ARGV[0])) ? "ok"
    : $!{ENOENT} ? "missing" : $!{ECONNREFUSED} ? "refused" : $!{EACCES} ? "denied" : ""' "$s" 2>/dev/null)
if [ -n "$tried" ]; then echo "connect=$tried"
elif [ ! -e "$s" ]; then echo connect=missing
elif [ ! -w "$s" ]; then echo connect=denied
elif listens; then echo connect=ok
else echo connect=refused
fi
echo end=yes
`;
}

/** Undefined when the script did not run to its end: no shell over there. */
export function parseFindings(output: string): Findings | undefined {
  const lines = output.split("\n").map((line) => line.trimEnd());
  const values = new Map<string, string>();
  for (const line of lines.slice(lines.lastIndexOf(MARK) + 1)) {
    const [, name = "", value = ""] = /^([a-z]+)=(.*)$/.exec(line) ?? [];
    values.set(name, value);
  }
  const connect = values.get("connect");
  if (!lines.includes(MARK) || !values.has("end") || !isOutcome(connect)) return undefined;
  return {
    user: values.get("user")?.replaceAll(/\p{C}/gu, "?").slice(0, 64) || undefined,
    root: values.get("uid") === "0",
    installed: values.has("installed"),
    polkit: values.has("polkit"),
    connect,
  };
}

function isOutcome(text: string | undefined): text is Findings["connect"] {
  return text === "ok" || text === "missing" || text === "refused" || text === "denied";
}

/**
 * Why a stream through ssh ended at once.
 *
 * @param opened whether sshd could open it, and somebody over there closed it then.
 */
export function explainFindings(
  place: PcscdPlace,
  { opened, findings }: { opened: boolean; findings: Findings | undefined },
): CardwireError {
  if (opened) {
    const polkit = findings === undefined || (findings.polkit && !findings.root);
    return refused(place, { user: findings?.user, polkit });
  }
  if (findings === undefined) return noShell(place);
  const { connect, installed } = findings;
  if (connect === "ok") return forwardingForbidden(place);
  if (connect === "denied") return socketDenied(place);
  if (connect === "refused") return nobodyListens(place);
  return installed ? notThere(place) : notInstalled(place);
}

function forwardingForbidden({ place, socket }: PcscdPlace): CardwireError {
  return new CardwireError("E_SSH_FORWARDING", `sshd on ${place} forbids to forward ${socket}`, {
    hint: "In its /etc/ssh/sshd_config set 'AllowStreamLocalForwarding yes' and 'AllowTcpForwarding yes', and no 'DisableForwarding yes' (Match blocks too), then 'sudo systemctl reload ssh'; in ~/.ssh/authorized_keys there, add 'port-forwarding' after 'restrict', or remove 'no-port-forwarding'.",
  });
}

function noShell({ place, socket }: PcscdPlace): CardwireError {
  return new CardwireError("E_PCSCD_UNREACHABLE", `ssh cannot reach ${socket} on ${place}`, {
    hint: "This account has no shell there, so it could not be found out which: pcscd is not installed or not running, its socket is elsewhere, or sshd forbids it (AllowStreamLocalForwarding, AllowTcpForwarding, DisableForwarding, 'restrict' in authorized_keys).",
  });
}
