import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { collectOutput, descendants, publicDirectory, stopChild, until } from "./processes.ts";
import { type Finished, PATH, type RunOptions, run } from "./programs.ts";
import { users } from "./users.ts";

/**
 * Makes a control group for a systemd, and goes on in namespaces of its own. What an earlier, killed run left there is
 * removed; a group in use cannot be.
 */
const OUTSIDE = `
groups=/sys/fs/cgroup
if [ -d $groups/unified ]; then groups=$groups/unified; fi
for old in $groups/cardwire-lab-*; do
  [ -d "$old" ] && find "$old" -depth -type d -exec rmdir {} ';' 2>/dev/null
done
own=$(mktemp -d $groups/cardwire-lab-XXXXXX)
chmod 755 "$own"
echo "$own" >"$1/cgroup"
echo 0 >"$own/cgroup.procs"
exec unshare --cgroup --mount --pid --ipc --uts --fork --kill-child --mount-proc \\
  --propagation private -- /bin/sh -euc "$2" inside "$1"
`;

/**
 * Gives systemd a fresh /run, only the units that a service needs, and what was installed on "this computer" before.
 * Neither its generators nor the services of the computer that runs the tests are seen.
 */
const INSIDE = `
state=$1
mount -t tmpfs -o mode=755 tmpfs /mnt
for shared in repository node accounts home tmp; do
  mkdir -p /mnt/$shared
  mount --rbind /run/$shared /mnt/$shared
done
mkdir -p /mnt/user /mnt/lock /mnt/lab/empty /mnt/lab/system /mnt/lab/user
mkdir -m 700 /mnt/user/4101
chown 4101:4101 /mnt/user/4101
mount --no-mtab --move /mnt /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for unit in sysinit basic multi-user graphical sockets paths timers slices local-fs network \\
  network-online shutdown umount final rescue emergency; do
  cp -P /lib/systemd/system/$unit.target /run/lab/system/
done
cp /lib/systemd/system/systemd-journald.service /lib/systemd/system/systemd-journald.socket /run/lab/system/
for unit in default basic sockets paths timers shutdown; do
  cp -P /usr/lib/systemd/user/$unit.target /run/lab/user/
done
cat >/run/lab/system/user-manager.service <<UNIT
[Service]
User=alice
Type=notify
ExecStart=/lib/systemd/systemd --user
Environment=XDG_RUNTIME_DIR=/run/user/4101
Delegate=yes
UNIT
ln -s multi-user.target /run/lab/system/default.target
mkdir /run/lab/system/sysinit.target.wants /run/lab/system/multi-user.target.wants
ln -s ../systemd-journald.service /run/lab/system/sysinit.target.wants/
ln -s ../user-manager.service /run/lab/system/multi-user.target.wants/
mkdir -p "$state/etc" "$state/linger"
mount --bind /run/lab/system /lib/systemd/system
mount --bind /run/lab/user /usr/lib/systemd/user
mount -t tmpfs tmpfs /etc/systemd
mkdir /etc/systemd/system
mount --bind "$state/etc" /etc/systemd/system
for folder in /lib/systemd/system-generators /usr/lib/systemd/user-generators /etc/init.d; do
  if [ -d $folder ]; then mount --bind /run/lab/empty $folder; fi
done
mount -t tmpfs tmpfs /var/log
mount -t tmpfs tmpfs /var/lib/systemd
export container=cardwire-lab
exec /lib/systemd/systemd --system --log-target=console --log-level=notice --show-status=no
`;

/** A real systemd, as the first process of namespaces of its own: a computer that can be booted again. */
export class Systemd implements AsyncDisposable {
  readonly #directory: string;
  #child: ChildProcess | undefined;
  #pid = 0;

  /** Use `startSystemd`. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Boots, and resolves when systemd has started all that is to be started. */
  async boot(): Promise<void> {
    const child = spawn("/bin/sh", ["-euc", OUTSIDE, "outside", this.#directory, INSIDE], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH },
    });
    this.#child = child;
    const output = collectOutput(child);
    try {
      this.#pid = await until("systemd to be the first process", async () => {
        if (child.exitCode !== null) return -1;
        const inside = child.pid === undefined ? [] : await descendants(child.pid);
        return inside.find(({ name }) => name === "systemd")?.pid;
      });
      if (this.#pid < 0) throw new Error("it ended at once");
      const units = ["multi-user.target", "user-manager.service"];
      await until("systemd to have booted", async () => {
        const { stdout } = await this.run("systemctl", ["is-active", ...units]);
        return stdout === "active\nactive\n";
      });
    } catch (error) {
      const printed = output();
      await this.halt();
      throw new Error(`systemd did not boot; it printed:\n${printed}`, { cause: error });
    }
  }

  /** As if the computer lost its power. What is in /run is gone, what was installed is not. */
  async halt(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child) await stopChild(child);
    const remove = 'find "$(cat "$1/cgroup")" -depth -type d -exec rmdir {} ";"';
    await until("its control groups to be empty", async () => {
      const removed = await run("/bin/sh", ["-c", remove, "remove", this.#directory]);
      return removed.status === 0 || /No such file/.test(removed.stderr);
    });
  }

  /** Runs a program on that computer: as root unless told. */
  run(
    program: string,
    args: readonly string[] = [],
    { user = "root", env = {}, ...options }: RunOptions = {},
  ): Promise<Finished> {
    const { name, uid, gid, home } = users[user];
    const become = ["--reuid", `${uid}`, "--regid", `${gid}`, "--init-groups"];
    const enter = ["--target", `${this.#pid}`, "--mount", "--pid", "--cgroup", `--wd=${home}`];
    return run("nsenter", [...enter, "--", "setpriv", ...become, "--", program, ...args], {
      ...options,
      env: {
        HOME: home,
        USER: name,
        LOGNAME: name,
        XDG_RUNTIME_DIR: `/run/user/${uid}`,
        ...env,
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.halt();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Boots a systemd of the test's own, which sees the network of the lab. */
export async function startSystemd(): Promise<Systemd> {
  const directory = await publicDirectory("systemd");
  await mkdir(join(directory, "etc"));
  const systemd = new Systemd(directory);
  try {
    await systemd.boot();
    return systemd;
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}
