import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { suitesFolder } from "./suites.ts";

/**
 * Shell commands that bring up the loopback of a fresh network namespace. vpcd writes length and
 * body apart, and without `quickack` the receiver's delayed acknowledgement costs 45 ms an APDU.
 */
export const LOOPBACK_UP = `
ip link set lo up
for net in 127.0.0.1 127.0.0.0/8; do
  ip route change local $net dev lo table local proto kernel scope host src 127.0.0.1 quickack 1
done`;

/** Where the repository and the Node.js in use appear inside. The tests' ordinary users may not be able to enter the folders above the real ones. */
export const REPOSITORY_INSIDE = "/run/repository";
const NODE_INSIDE = "/run/node/node";

/** Where the folder of scripts/suites.ts appears inside, read-only. */
export const SUITES_INSIDE = "/run/suites";

/**
 * Runs inside fresh namespaces, as their first process: gives them a /tmp and a /run of their own with the
 * directories that pcscd and sshd want, accounts for the tests' users, and homes for these and
 * for root. Nothing of it is seen outside, and all of it ends with the namespaces. It waits for
 * the command instead of becoming it, because a first process has to reap orphans.
 *
 * The password field is "*", not "!": sshd without PAM refuses what it takes for a locked account.
 */
const SETUP = `
set -eu
repository=$1 node=$2 suites=$3
shift 3
${LOOPBACK_UP}
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p ${REPOSITORY_INSIDE} ${SUITES_INSIDE} /run/node /run/accounts /run/home /run/user /run/sshd /run/pcscd
mkdir -m 1777 /run/tmp /run/lock
mkdir -m 700 /run/home/root
mount --bind "$repository" ${REPOSITORY_INSIDE}
touch ${NODE_INSIDE}
mount --bind "$node" ${NODE_INSIDE}
mount --bind "$suites" ${SUITES_INSIDE}
mount -o remount,bind,ro ${SUITES_INSIDE}
mount -t tmpfs -o mode=1777 tmpfs /tmp
for file in passwd group shadow; do
  cp -p /etc/$file /run/accounts/
  sed -i '/^\\(alice\\|bob\\|carol\\|cards\\):/d' /run/accounts/$file
done
sed -i 's,^\\(root:[^:]*:0:0:[^:]*\\):[^:]*:,\\1:/run/home/root:,' /run/accounts/passwd
for user in alice:4101 bob:4102 carol:4103; do
  name=\${user%:*} id=\${user#*:}
  echo "$name:x:$id:$id::/run/home/$name:/bin/sh" >>/run/accounts/passwd
  echo "$name:x:$id:" >>/run/accounts/group
  echo "$name:*:20000:0:99999:7:::" >>/run/accounts/shadow
  mkdir -m 700 /run/home/$name /run/user/$id
  chown $id:$id /run/home/$name /run/user/$id
done
echo "cards:x:4200:alice,carol" >>/run/accounts/group
for file in passwd group shadow; do mount --bind /run/accounts/$file /etc/$file; done
cd ${REPOSITORY_INSIDE}
status=0
"$@" || status=$?
exit $status
`;

/** Variables of the person who runs the tests that would lead the programs under test to their own agents, sockets and homes. */
const PERSONAL =
  /^(?:XDG_|SSH_|PCSCLITE_|GPG_|GNUPG|DBUS_|CARDWIRE_|npm_|NODE_OPTIONS$|SUDO_|MAIL$)/;

/**
 * The command line that runs `command` in private mount, network and process namespaces, in which
 * it can start pcscd and sshd, and after which nothing of it is left running or mounted.
 *
 * @throws {Error} when this user is not root and cannot become root without being asked.
 */
export function inNamespaces(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): { readonly argv: readonly string[]; readonly env: NodeJS.ProcessEnv } {
  const ours = Object.entries(process.env).filter(([name]) => !PERSONAL.test(name));
  const inside: NodeJS.ProcessEnv = {
    ...Object.fromEntries(ours),
    ...env,
    CARDWIRE_LAB: "1",
    HOME: "/run/home/root",
    USER: "root",
    LOGNAME: "root",
    TMPDIR: "/run/tmp",
    LANG: "C.UTF-8",
    PATH: `${dirname(NODE_INSIDE)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
  };
  mkdirSync(suitesFolder(), { recursive: true });
  const unshare = [
    // The signal goes to unshare if we are killed, and through --kill-child to everything inside.
    ..."setpriv --pdeathsig KILL unshare".split(" "),
    ..."--mount --net --pid --fork --kill-child --mount-proc --propagation private --".split(" "),
    "/bin/sh",
    "-c",
    SETUP,
    "setup",
    process.cwd(),
    process.execPath,
    suitesFolder(),
    ...command,
  ];
  if (process.getuid?.() === 0) return { argv: unshare, env: inside };
  if (spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status !== 0) {
    throw new Error("the lab makes namespaces and runs sshd, for which it must be root; use sudo");
  }
  const settings = Object.entries(inside).map(([name, value]) => `${name}=${value ?? ""}`);
  return { argv: ["sudo", "-n", "env", "-i", ...settings, ...unshare], env: process.env };
}
