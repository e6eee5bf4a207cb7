import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type RunningMaster, startMaster } from "../../carriers/ssh/master.ts";
import { runSsh } from "../../carriers/ssh/run-ssh.ts";
import { unixCarrier } from "../../carriers/unix.ts";
import { CardwireError } from "../../domain/errors.ts";
import { type HostFacts, isComplete, parseHost } from "../host-facts.ts";
import { hostScript } from "../host-script.ts";
import type { DaemonFacts } from "../judge/pcscd.ts";
import type { SshFacts } from "../judge/ssh.ts";
import type { ForwardFacts } from "../judge/sshd.ts";
import { lookAtDaemon } from "./daemon.ts";

export interface FarHostOptions {
  readonly destination: string;
  /** The program and the arguments to begin with. */
  readonly ssh: readonly string[];
  /** pcscd's socket over there. */
  readonly socket: string;
  /** Private, short, and of this run alone: ssh's sockets are made in it. */
  readonly directory: string;
  /** Whether a person can answer ssh's questions. */
  readonly canAsk: boolean;
  readonly signal: AbortSignal;
}

/** What one ssh connection found out about a card host. */
export interface FarHost {
  readonly ssh: SshFacts;
  /** Undefined when ssh did not connect. */
  readonly forwards?: ForwardFacts;
  readonly daemon?: DaemonFacts;
  /** Undefined when there is no shell. */
  readonly host?: HostFacts | undefined;
}

/** How long ssh may take to log in, ms: without questions, and with a person who answers them. */
const LOGIN_MS = { alone: 20_000, asking: 120_000 };

/** How long the shell over there may take to tell what it knows, ms. */
const SHELL_MS = 10_000;

/** Most of what it tells that is kept, characters. */
const MAX_OUTPUT = 262_144;

/** How long a session may take to end after its input, ms. */
const END_MS = 2_000;

/** Looks at a card host through one ssh connection of its own, and leaves nothing there. Never throws but for `signal`. */
export async function lookAtFarHost(options: FarHostOptions): Promise<FarHost> {
  const { destination, ssh, signal } = options;
  const since = performance.now();
  const [client, connected] = await Promise.all([clientVersion(ssh, signal), logIn(options)]);
  const facts = { destination, command: ssh, client };
  if ("failure" in connected) return { ssh: { ...facts, ...connected } };
  await using master = connected.master;
  const tookMs = performance.now() - since;
  const found = await lookThrough(master, options);
  return { ssh: { ...facts, tookMs, server: serverVersion(await master.log()) }, ...found };
}

async function logIn({
  destination,
  ssh,
  directory,
  canAsk,
  signal,
}: FarHostOptions): Promise<{ master: RunningMaster } | { failure: CardwireError | "silent" }> {
  const limit = AbortSignal.timeout(canAsk ? LOGIN_MS.asking : LOGIN_MS.alone);
  try {
    const master = await startMaster({
      destination,
      ssh: [...ssh, "-v"], // its log then tells sshd's version, and what it says of the key
      directory,
      serial: 1,
      canAsk,
      signal: AbortSignal.any([signal, limit]),
    });
    return { master };
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) return { failure: "silent" };
    if (CardwireError.is(error)) return { failure: error };
    throw error;
  }
}

/** What `ssh -V` says of itself; undefined where it cannot be asked. */
async function clientVersion(
  ssh: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(SHELL_MS)]);
  const asked = runSsh(ssh, ["-V"], { terminal: "apart", signal: within });
  const said = await asked.catch(() => undefined); // missing: the connection says so
  return said && `${said.stderr}${said.stdout}`.split("\n").find((line) => line.trim() !== "");
}

const serverVersion = (log: string): string | undefined =>
  /remote software version (.*)$/m.exec(log)?.[1]?.trim();

async function lookThrough(
  master: RunningMaster,
  { directory, socket, signal }: FarHostOptions,
): Promise<Pick<FarHost, "forwards" | "daemon" | "host">> {
  const daemon = daemonThrough(master, socket, signal);
  daemon.catch(() => {}); // awaited below, perhaps only after it has failed
  const shell = openShell(master, hostScript(socket, { scratch: true }));
  try {
    const output = await shell.output;
    const host = parseHost(output);
    const listening = await tryListening(master, host?.scratch, join(directory, "nobody"));
    const within = { signal: AbortSignal.any([signal, AbortSignal.timeout(SHELL_MS)]) };
    const second = host && (await master.shell("echo second\n", within).catch(() => ""));
    const { opened, facts } = await daemon;
    const forwards: ForwardFacts = {
      ...listening,
      key: keyOptions(await master.log()),
      shell: host !== undefined,
      sessionRefused: /session open refused/i.test(shell.errors()),
      secondSession: second === undefined ? undefined : second.includes("second"),
      opened,
    };
    return { forwards, daemon: facts, host };
  } finally {
    await daemon;
    await shell.close();
  }
}

/** @returns also whether sshd opened the way to the socket; what happened then is the far end's doing. */
async function daemonThrough(
  master: RunningMaster,
  remoteSocket: string,
  signal: AbortSignal,
): Promise<{ opened: boolean; facts: DaemonFacts }> {
  const localSocket = master.socketPath("f");
  try {
    await master.forward({ listens: "here", localSocket, remoteSocket });
  } catch {
    return { opened: false, facts: { state: "nobody" } }; // it listens here, so this is a master that has just ended
  }
  await using carrier = unixCarrier(localSocket);
  const facts = await lookAtDaemon(carrier, { signal });
  const opened = !streamRefused(await master.log());
  return { opened, facts: opened ? facts : { state: "nobody" } };
}

/** Whether sshd refused a channel to a Unix socket. It refuses those of sessions in the same words. */
function streamRefused(log: string): boolean {
  const kinds = new Map<string, string>();
  for (const line of log.split(/\r?\n/)) {
    const [, made, kind = ""] = /channel (\d+): new (.*)$/.exec(line) ?? [];
    if (made !== undefined) kinds.set(made, kind);
    const [, refused] = /channel (\d+): open failed/.exec(line) ?? [];
    if (refused !== undefined && kinds.get(refused)?.includes("direct-streamlocal")) return true;
  }
  return false;
}

/** sshd tells the client, in debugging messages, which options authorized_keys gave to its key. */
function keyOptions(log: string): ForwardFacts["key"] {
  const [, file, line, options] = /Remote: (\/.*):(\d+): key options: ?(.*)$/m.exec(log) ?? [];
  if (file === undefined || options === undefined) return undefined;
  return { file, line: Number(line), options: options.split(" ").filter(Boolean) };
}

/** Lets sshd listen at a fresh name over there, and at one where a file is, which takes StreamLocalBindUnlink. */
async function tryListening(
  master: RunningMaster,
  scratch: string | undefined,
  localSocket: string,
): Promise<Pick<ForwardFacts, "listens" | "bindUnlink">> {
  if (scratch === undefined) return { listens: undefined, bindUnlink: undefined };
  const listens = (name: string): Promise<boolean> =>
    master
      .forward({ listens: "there", localSocket, remoteSocket: `${scratch}/${name}` })
      .then(() => true)
      .catch(() => false); // ssh says no more than that it failed
  if (!(await listens("fresh"))) return { listens: false, bindUnlink: undefined };
  return { listens: true, bindUnlink: await listens("taken") };
}

/** A shell over there that runs a script, and stays until it is closed. */
function openShell(master: RunningMaster, script: string) {
  const child = master.session();
  let output = "";
  let errors = "";
  const told = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-MAX_OUTPUT);
      if (isComplete(output)) resolve();
    });
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-4_096);
  });
  child.stdin.on("error", () => {}); // no shell: what it did not say tells
  child.stdin.write(script);
  const stop = new AbortController();
  const late = delay(SHELL_MS, undefined, { signal: stop.signal }).catch(() => {});
  return {
    /** All it said; when it says no more, or does not come to an end. */
    output: Promise.race([told, late]).then(() => {
      stop.abort();
      return output;
    }),
    errors: () => errors,
    /** Ends its input, whereupon the script cleans up. */
    close: () => end(child),
  };
}

async function end(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, "exit");
  child.stdin.end();
  const killing = setTimeout(() => child.kill(), END_MS);
  await ended;
  clearTimeout(killing);
}
