import { probeScript } from "../carriers/ssh/remote-probe.ts";

/** Where the part of the output begins that host-facts.ts reads. */
export const MARK = "cardwire-doctor-1";

/**
 * A script for any POSIX sh that tells, a `name=value` a line, what doctor wants to know of a computer with readers. It
 * changes nothing there and asks for no rights that the user does not have. One compound command, so that a shell that
 * reads it from its input has read all of it before the first line runs.
 *
 * @param options.scratch makes a private directory with a file `taken` in it, tells its name, and removes it when the
 *   input ends.
 */
export const hostScript = (socket: string, { scratch }: { scratch: boolean }): string => `{
${probeScript(socket)}
echo ${MARK}
${PCSCD}
${SYSTEMD}
${POLKIT}
${READERS}
${HOLDERS}
${SSHD}
${scratch ? SCRATCH : ""}
echo done=yes
${scratch ? "cat >/dev/null" : ""}
}
`;

/** `s` is the socket; probeScript set it. Of the 200 connections that pcscd takes, state 03 are those that are open. */
const PCSCD = `
p=$(command -v pcscd 2>/dev/null)
if [ -n "$p" ]; then
  "$p" --version 2>/dev/null | sed -n 's/^pcsc-lite version \\(.*\\)\\.$/pcscd.version=\\1/p; s/^Enabled features: /pcscd.features=/p'
fi
for d in /proc/[0-9]*; do
  read -r c <"$d/comm" || continue
  case $c in
    pcscd) echo "pcscd.args=$(tr '\\0' ' ' <"$d/cmdline")" ;;
    scdaemon) echo "scdaemon.pid=\${d#/proc/}" ;;
    polkitd) echo "polkit.runs=yes" ;;
  esac
done 2>/dev/null
echo "pcscd.connections=$(awk -v s="$s" '$8 == s && $6 == "03"' /proc/net/unix 2>/dev/null | wc -l)"
`;

const SYSTEMD = `
if [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; then
  for u in socket service; do
    echo "unit.$u=$(systemctl is-active pcscd.$u 2>/dev/null) $(systemctl is-enabled pcscd.$u 2>/dev/null)"
  done
fi
`;

const POLKIT = `
if command -v pkaction >/dev/null 2>&1; then
  echo "polkit.version=$(pkaction --version 2>/dev/null | sed 's/[^0-9.]//g')"
fi
`;

/** USB devices with an interface of class 0x0B, Smart Card (USB Device Class Specification for ICCDs). */
const READERS = `
for f in /usr/lib*/pcsc/drivers/*ccid*.bundle /usr/lib/*/pcsc/drivers/*ccid*.bundle /usr/local/lib/pcsc/drivers/*ccid*.bundle; do
  [ -e "$f" ] && echo "ccid=$f" && break
done
for f in /sys/bus/usb/devices/*/bInterfaceClass; do
  read -r c <"$f" || continue
  [ "$c" = 0b ] || continue
  i=\${f%/bInterfaceClass}
  v=\${i%:*}
  n=
  read -r n <"$v/product"
  echo "usb=$n"
done 2>/dev/null
`;

/**
 * Who is connected to pcscd, as `pid user program`: ss pairs both ends by their inodes, and names the processes that this
 * user may look at. A cardwire is `cardwire` by its title, or by the script that its node runs.
 */
const HOLDERS = `
ss -xpnH state connected 2>/dev/null | awk -v s="$s" '
  { line[NR] = $0; if ($4 == s || $5 == s) for (i = 5; i <= NF; i++) if ($i == "*") peer[$(i+1)] = 1 }
  END {
    for (n = 1; n <= NR; n++) {
      k = split(line[n], f, " ")
      for (i = 4; i < k && f[i] != "*"; i++);
      if (f[i] == "*" && f[i+1] in peer && i <= 5 && match(f[k], /pid=[0-9]+/))
        print substr(f[k], RSTART + 4, RLENGTH - 4)
    }
  }' | sort -un | head -n 20 | while read -r pid; do
    read -r c <"/proc/$pid/comm" || continue
    tr '\\0' '\\n' <"/proc/$pid/cmdline" | awk '
      NR == 1 { known = /^cardwire /; if (known || !/(^|\\/)node(js)?$/) exit; next }
      /^-/ { next }
      { known = /\\/cardwire(\\/dist\\/cli\\/main\\.js)?$/; exit }
      END { exit !known }' && c=cardwire
    echo "client=$pid $(stat -c %U "/proc/$pid" 2>/dev/null) $c"
done 2>/dev/null
`;

/** The lines of sshd's configuration that may forbid what we need; whoever may not read them gets none. */
const SSHD = `
grep -niE '^[[:space:]]*(AllowStreamLocalForwarding|AllowTcpForwarding|DisableForwarding|PermitOpen|PermitListen|MaxSessions|ForceCommand|StreamLocalBindUnlink)[[:space:]=]' \\
  /dev/null /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf 2>/dev/null | head -n 40 | sed 's/^/sshd=/'
`;

const SCRATCH = `
umask 077
d=$(mktemp -d "\${XDG_RUNTIME_DIR:-/tmp}/cardwire-doctor-XXXXXX" 2>/dev/null || mktemp -d /tmp/cardwire-doctor-XXXXXX)
if [ -n "$d" ]; then
  trap 'rm -rf "$d"' EXIT
  trap 'exit 1' HUP INT TERM PIPE
  : >"$d/taken"
  echo "scratch=$d"
fi
`;
