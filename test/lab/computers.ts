import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LOOPBACK_UP } from "../../scripts/namespaces.ts";
import type { Pcscd } from "./pcscd.ts";
import { collectOutput, publicDirectory, signal, stopChild, until } from "./processes.ts";
import { type Place, run } from "./programs.ts";
import { type Sshd, startSshd, writeUserConfig } from "./sshd.ts";
import { type UserName, users } from "./users.ts";

// Several computers inside the lab, with a cable from each to one switch:
//
//     await using pcscd = await startPcscd();
//     await using lab = await startComputers(["computer1", "computer2"]);
//     const { computer1, computer2 } = lab;
//     await computer1.plugIn(pcscd);
//     await run("ssh", ["bob@computer1", "hostname"], { user: "alice", on: computer2 });
//     await using attached = await attach(["computer1"], { on: computer2 });
//     await computer2.cut();
//
// Each has its own name, network, homes, /tmp, /run/user, /run/cardwire and /run/pcscd, and a real
// sshd on port 22, where every user of the lab may log in as any other. They have the accounts, the
// programs and the lab's own files (/run/tmp) in common, and see each other's processes.

/** Makes a computer out of fresh namespaces. Arguments: its name, address, hosts file, and users as NAME:UID. */
const BOOT = `
hostname "$1"
${LOOPBACK_UP}
ip address add "$2/24" dev eth0
ip link set eth0 up
mount --bind "$3" /etc/hosts
shift 3
mkdir -p /run/cardwire
for folder in /run/home /run/user /run/pcscd /run/cardwire /tmp; do
  mount -t tmpfs -o mode=755 tmpfs $folder
done
chmod 700 /run/cardwire
chmod 1777 /tmp
for user in "$@"; do
  name=\${user%:*} id=\${user#*:}
  mkdir -m 700 /run/home/$name /run/user/$id
  chown $id:$id /run/home/$name /run/user/$id
done
`;

/** Fresh namespaces, and the process that keeps them. Disposing kills everything in them. */
class Namespaces implements Place, AsyncDisposable {
  readonly pid: number;
  readonly enter: readonly string[];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, kinds: readonly string[]) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.enter = ["nsenter", `--target=${this.pid}`, ...kinds, "--"];
  }

  static async create(...kinds: readonly string[]): Promise<Namespaces> {
    // It ends with its input, and so with the test.
    const argv = [...kinds, "--", "/bin/sh", "-c", "echo ready; exec cat"];
    const child = spawn("unshare", argv, { stdio: ["pipe", "pipe", "inherit"] });
    const output = collectOutput(child);
    await until("namespaces", () => output() === "ready\n");
    return new Namespaces(child, kinds);
  }

  async do(command: string, ...args: readonly string[]): Promise<void> {
    const done = await run(command, args, { on: this, cwd: "/" });
    if (done.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${done.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const own = await readlink(`/proc/${this.pid}/ns/net`).catch(() => undefined);
    if (own === undefined) return; // disposed of before
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      // A process may be gone since the folder was read.
      const its = await readlink(`/proc/${pid}/ns/net`).catch(() => undefined);
      if (its === own && Number(pid) !== this.pid) signal(Number(pid), "SIGKILL");
    }
    await stopChild(this.#child);
  }
}

/** One of the computers: `on` of run() and start() leads there. */
export class Computer implements Place, AsyncDisposable {
  readonly name: string;
  /** IPv4. */
  readonly address: string;
  readonly enter: readonly string[];
  /** Its file system, as the test sees it. */
  readonly root: string;
  readonly #inside: Namespaces;
  readonly #hub: Namespaces;
  #sshd: Sshd | undefined;

  /** Use `startComputers`. The cable ends in the switch, at a port that has the computer's name. */
  constructor(name: string, address: string, where: { inside: Namespaces; hub: Namespaces }) {
    this.name = name;
    this.address = address;
    this.#inside = where.inside;
    this.#hub = where.hub;
    this.enter = this.#inside.enter;
    this.root = `/proc/${this.#inside.pid}/root`;
  }

  /** Running once `startComputers` has resolved. */
  get sshd(): Sshd {
    if (!this.#sshd) throw new Error(`${this.name} has no sshd yet`);
    return this.#sshd;
  }

  /** Lays the cable, sets everything up and starts the sshd. */
  async boot(hosts: string, sshdConfig: readonly string[]): Promise<void> {
    const port = ["link", "add", this.name, "type", "veth", "peer"];
    await this.#hub.do("ip", ...port, "name", "eth0", "netns", `${this.#inside.pid}`);
    await this.#hub.do("ip", "link", "set", this.name, "master", "switch", "up");
    const people = Object.values(users).map(({ name, uid }) => `${name}:${uid}`);
    const words = [this.name, this.address, hosts, ...people];
    await this.#inside.do("/bin/sh", "-ec", BOOT, "boot", ...words);
    this.#sshd = await startSshd({ on: this, config: sshdConfig });
  }

  /** Plugs a lab pcscd's readers in here: it becomes this computer's own. */
  async plugIn(pcscd: Pcscd): Promise<void> {
    await this.#inside.do("mount", "--bind", pcscd.directory, "/run/pcscd");
  }

  /** Pulls the network cable: from now on everything is lost, and nobody is told. */
  async cut(): Promise<void> {
    await this.#hub.do("ip", "link", "set", this.name, "down");
  }

  /** Puts the cable back. What was sent meanwhile is lost; TCP sends it again when it thinks fit. */
  async mend(): Promise<void> {
    await this.#hub.do("ip", "link", "set", this.name, "up");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sshd?.[Symbol.asyncDispose]();
    await this.#inside[Symbol.asyncDispose]();
  }
}

/** The computers by their names. Disposing ends everything that runs on them. */
export type Computers<N extends string> = Readonly<Record<N, Computer>> & AsyncDisposable;

/**
 * Starts computers that reach each other by their names, 1 to 200 of them.
 *
 * @param options.sshdConfig lines for every sshd, as in `startSshd`.
 */
export async function startComputers<const N extends string>(
  names: readonly N[],
  { sshdConfig = [] }: { readonly sshdConfig?: readonly string[] } = {},
): Promise<Computers<N>> {
  const directory = await publicDirectory("computers");
  const hub = await Namespaces.create("--net");
  const computers: Computer[] = [];
  const dispose = async (): Promise<void> => {
    await Promise.all(computers.map((one) => one[Symbol.asyncDispose]()));
    await hub[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await hub.do("ip", "link", "add", "switch", "up", "type", "bridge");
    for (const [i, name] of names.entries()) {
      const inside = await Namespaces.create("--mount", "--net", "--uts");
      computers.push(new Computer(name, `10.78.0.${i + 1}`, { inside, hub }));
    }
    const hosts = join(directory, "hosts");
    const lines = computers.map(({ name, address }) => `${address} ${name}\n`);
    await writeFile(hosts, `127.0.0.1 localhost\n${lines.join("")}`);
    await Promise.all(computers.map((one) => one.boot(hosts, sshdConfig)));
    const configs = computers.map(({ sshd }) => sshd.clientConfig);
    for (const { root } of computers)
      for (const user of Object.keys(users)) await writeUserConfig(user as UserName, configs, root);
    const named = Object.fromEntries(computers.map((one) => [one.name, one]));
    return { ...(named as Record<N, Computer>), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
