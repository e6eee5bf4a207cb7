import { type ChildProcess, spawn } from "node:child_process";
import { appendFile, chmod, chown, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import {
  collectOutput,
  descendants,
  publicDirectory,
  signal,
  stopChild,
  until,
} from "./processes.ts";
import { PATH, type Place, run } from "./programs.ts";
import { type UserName, users } from "./users.ts";

export interface SshdOptions {
  /** Who logs in on the card host: bob unless told; on a computer, who runs ssh. */
  readonly loginUser?: UserName;
  /** Lines of sshd_config that come before ours, so that they win; no Match blocks. */
  readonly config?: readonly string[];
  /** A lab pcscd's directory that logins find as /run/pcscd. Only they do: it is another computer's. */
  readonly pcscdDirectory?: string;
  /** A file tree in which logins find themselves instead of this computer's, such as that of suites.ts. */
  readonly root?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The computer it runs on, under that computer's name and on the usual port. */
  readonly on?: Place & { readonly name: string; readonly address: string };
}

/** Puts a pcscd's directory, $1, where logins look for it. */
const MOUNT = 'mount --bind "$1" /run/pcscd; shift; exec "$@"';

/** Where that tree is seen in the daemon's own mount namespace: sshd wants each folder on the way to be root's alone. */
const TREE = "/mnt";

/** The same in the tree $2. */
const MOUNT_IN_TREE = `
mount --rbind "$2" ${TREE}
mount -t tmpfs -o mode=755 tmpfs ${TREE}/run
mount -t tmpfs -o mode=1777 tmpfs ${TREE}/tmp
mount -t proc proc ${TREE}/proc
mount --rbind /dev ${TREE}/dev
mkdir ${TREE}/run/pcscd
mount --bind "$1" ${TREE}/run/pcscd
shift 2
exec "$@"`;

/** A real sshd on 127.0.0.1, or on a computer of computers.ts, and what its clients need to log in. */
export class Sshd implements AsyncDisposable {
  /** Keys, configurations and logs. Every user may read it, but for the keys. */
  readonly directory: string;
  readonly address: string;
  readonly port: number;
  /** For `ssh -F`, as any user: the host `cardhost`, or the computer by its name. */
  readonly clientConfig: string;
  readonly #options: SshdOptions;
  #daemon: ChildProcess | undefined;
  #output = (): string => "";
  #configs = 0;

  /** Use `startSshd`. */
  constructor(directory: string, port: number, options: SshdOptions) {
    this.directory = directory;
    this.address = options.on?.address ?? "127.0.0.1";
    this.port = port;
    this.clientConfig = join(directory, "ssh_config");
    this.#options = options;
  }

  /** The listening daemon's process id; 0 while it is stopped. */
  get pid(): number {
    return this.#daemon?.pid ?? 0;
  }

  /** What the daemon logged since it was started. */
  get output(): string {
    return this.#output();
  }

  /** Starts the daemon, on the same port as before. Resolves when it listens. */
  async start(): Promise<void> {
    if (this.#daemon) return;
    const { pcscdDirectory, root, env = {}, on } = this.#options;
    const mount = root === undefined ? MOUNT : MOUNT_IN_TREE;
    const privately = ["unshare", "--mount", "--propagation", "private", "--", "/bin/sh", "-ec"];
    // sshd starts itself anew for each login, and insists on its full path for that.
    const script = 'exec "$(command -v sshd)" -D -e -f "$1"';
    const [command, ...args] = [
      ...(on?.enter ?? []),
      ...(pcscdDirectory === undefined
        ? []
        : [...privately, mount, "mount", pcscdDirectory, ...(root === undefined ? [] : [root])]),
      "/bin/sh",
      "-ec",
      script,
      "sshd",
      join(this.directory, "sshd_config"),
    ];
    const daemon = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#daemon = daemon;
    this.#output = collectOutput(daemon);
    try {
      await until("sshd to listen", () => {
        if (daemon.exitCode !== null) return "ended";
        return this.output.includes("Server listening on");
      });
      if (daemon.exitCode !== null) throw new Error("sshd ended at once");
    } catch (error) {
      const output = this.output;
      await this.stop();
      throw new Error(`sshd did not start; it printed:\n${output}`, { cause: error });
    }
  }

  /** As if the host lost its power: the daemon and every login on it are gone. */
  async stop(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (!daemon) return;
    const logins = daemon.pid === undefined ? [] : await descendants(daemon.pid);
    await stopChild(daemon);
    for (const { pid } of logins) signal(pid, "SIGKILL");
  }

  /**
   * Kills what serves the present connections, as an administrator does who ends a login; programs
   * that run in these logins see their input end. Gives how many processes were killed.
   */
  async dropConnections(): Promise<number> {
    const serving = (await descendants(this.pid)).filter(({ name }) => name.startsWith("sshd"));
    for (const { pid } of serving) signal(pid, "SIGKILL");
    return serving.length;
  }

  /** Another client configuration whose `lines` come before those of `clientConfig`; its path. */
  async configWith(lines: readonly string[]): Promise<string> {
    this.#configs += 1;
    const path = `${this.clientConfig}.${this.#configs}`;
    await writeFile(path, `${lines.join("\n")}\n${await readFile(this.clientConfig, "utf8")}`);
    return path;
  }

  /**
   * Makes a client configuration the user's own ~/.ssh/config, for programs that call ssh without
   * `-F`. Disposing removes it.
   */
  async installFor(user: UserName, config: string = this.clientConfig): Promise<AsyncDisposable> {
    const path = await writeUserConfig(user, [config]);
    return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/**
 * Starts an sshd of the test's own: fresh keys, a port of its own. Every user of the lab can log in.
 *
 * @throws {Error} with the daemon's output when it does not come up; nothing is left then.
 */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const directory = await publicDirectory("sshd");
  const { on, loginUser = on ? undefined : "bob" } = options;
  const host = on?.name ?? "cardhost";
  const sshd = new Sshd(directory, on ? 22 : await freePort(), options);
  try {
    await writeKeys(directory, host);
    const config = options.config ?? [];
    const inTree = options.root === undefined ? [] : [`ChrootDirectory ${TREE}`];
    await writeServerConfig(sshd, [...config, ...inTree]);
    await writeClientConfig(sshd, { host, loginUser });
    await sshd.start();
    return sshd;
  } catch (error) {
    await sshd[Symbol.asyncDispose]();
    throw error;
  }
}

async function writeKeys(directory: string, hostName: string): Promise<void> {
  const key = async (path: string): Promise<string> => {
    const made = await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path]);
    if (made.status !== 0) throw new Error(`ssh-keygen failed: ${made.stderr}`);
    return await readFile(`${path}.pub`, "utf8");
  };
  const host = await key(join(directory, "host_key"));
  await writeFile(join(directory, "known_hosts"), `${hostName} ${host}`);
  const folder = join(directory, "keys");
  await mkdir(folder);
  await chmod(folder, 0o755);
  for (const { name, uid, gid } of Object.values(users)) {
    const path = join(folder, name);
    await appendFile(join(directory, "authorized_keys"), await key(path));
    // ssh refuses a key that others could read, and cannot read one that only root may.
    await chown(path, uid, gid);
  }
}

async function writeServerConfig(
  { directory, address, port }: Sshd,
  first: readonly string[],
): Promise<void> {
  const path = join(directory, "sshd_config");
  const lines = [
    ...first,
    `ListenAddress ${address}:${port}`,
    `HostKey ${directory}/host_key`,
    `AuthorizedKeysFile ${directory}/authorized_keys`,
    "PidFile none",
    "UsePAM no",
    "UseDNS no",
    "StrictModes no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin yes",
    "MaxStartups 1000",
    "MaxSessions 1000",
    "LogLevel VERBOSE",
    `SetEnv PATH=${PATH}`,
  ];
  // OpenSSH 9.8 and later shut out an address whose logins break off; older ones know no such thing.
  await writeFile(path, `${[...lines, "PerSourcePenalties no"].join("\n")}\n`);
  const tried = await run("sshd", ["-t", "-f", path]);
  if (tried.stderr.includes("PerSourcePenalties")) await writeFile(path, `${lines.join("\n")}\n`);
}

async function writeClientConfig(
  sshd: Sshd,
  { host, loginUser }: { readonly host: string; readonly loginUser: UserName | undefined },
): Promise<void> {
  const lines = [
    `Host ${host}`,
    `  HostName ${sshd.address}`,
    `  Port ${sshd.port}`,
    ...(loginUser === undefined ? [] : [`  User ${loginUser}`]),
    `  HostKeyAlias ${host}`,
    // %u is who runs ssh: each user of the lab has a key.
    `  IdentityFile ${sshd.directory}/keys/%u`,
    "  IdentitiesOnly yes",
    `  UserKnownHostsFile ${sshd.directory}/known_hosts`,
    "  GlobalKnownHostsFile none",
    "  StrictHostKeyChecking yes",
    "  BatchMode yes",
  ];
  await writeFile(sshd.clientConfig, `${lines.join("\n")}\n`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Makes client configurations a user's own ~/.ssh/config, in a file system of which `root` is the top; its path. */
export async function writeUserConfig(
  user: UserName,
  configs: readonly string[],
  root = "/",
): Promise<string> {
  const { home, uid, gid } = users[user];
  const folder = join(root, home, ".ssh");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chown(folder, uid, gid);
  const path = join(folder, "config");
  await writeFile(path, configs.map((config) => `Include ${config}\n`).join(""), { mode: 0o600 });
  await chown(path, uid, gid);
  return path;
}

/**
 * Makes a lab pcscd's directory the /run/pcscd of the whole test run, where programs look that know
 * no other place. Disposing undoes it.
 */
export async function mountAsSystemSocket(directory: string): Promise<AsyncDisposable> {
  const mounted = await run("mount", ["--bind", directory, "/run/pcscd"]);
  if (mounted.status !== 0) throw new Error(`cannot mount ${directory}: ${mounted.stderr}`);
  return {
    async [Symbol.asyncDispose]() {
      // Lazily: a program of the test may still be in it.
      await run("umount", ["--lazy", "/run/pcscd"]);
    },
  };
}
