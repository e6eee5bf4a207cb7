import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CardwireError } from "../../domain/errors.ts";
import { shellWord } from "../../domain/shell-word.ts";
import { dial } from "../../host/dial.ts";
import {
  controlArguments,
  type Forward,
  forwardArguments,
  masterArguments,
  shellArguments,
  tokenless,
} from "./argv.ts";
import { explainComplaint } from "./complaints.ts";
import { runSsh, type SshResult } from "./run-ssh.ts";

export interface MasterOptions {
  readonly destination: string;
  readonly ssh: readonly string[];
  /** Private; files of other masters may be in it. */
  readonly directory: string;
  /** Makes the file names differ from those of all other masters in the directory. */
  readonly serial: number;
  /** Whether a person can answer ssh's questions now. */
  readonly canAsk: boolean;
  /** How long it may take to reach the host, s; as ssh_config says, otherwise. */
  readonly connectSeconds?: number | undefined;
  /** Gets what ssh said although it succeeded: banners, warnings. */
  readonly notice?: ((text: string) => void) | undefined;
  readonly signal: AbortSignal;
}

/**
 * A connected ssh in the background. Disposing it ends it and removes its files.
 *
 * It lives as long as we hold a connection to its control socket, which it counts as a user of the line, and no more
 * than ControlPersist longer: it cannot outlive us, however we end. The same connection tells us at once when it ends.
 */
export interface RunningMaster extends AsyncDisposable {
  /** Resolves when ssh has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** What ssh wrote to its log so far. */
  log(): Promise<string>;
  /** The path of a socket here that is removed with the master. */
  socketPath(kind: "f" | "p"): string;
  /**
   * Adds a forward, and resolves when it listens.
   *
   * @throws {CardwireError} `E_SSH…` with ssh's own words.
   */
  forward(forward: Forward): Promise<void>;
  /** Takes a forward away again; the socket's file stays. Never throws: a master that is gone has none. */
  cancel(forward: Forward): Promise<void>;
  /** Runs a script with `sh` over there and resolves with its output. */
  shell(script: string, options: { signal: AbortSignal }): Promise<string>;
  /** Starts `sh` over there, which reads what to do from its input. Ending the input, or us, ends it. */
  session(): ChildProcessWithoutNullStreams;
}

/** How long a short command to the master may take, ms. It never waits for the network. */
const CONTROL_MS = 1_500;

/** How long a forward may take, ms: for one that listens over there, sshd has to answer. */
const FORWARD_MS = 15_000;

/** How long ssh may take to say goodbye before it is killed, ms, and then to be gone. */
const END_MS = 3_000;
const GONE_MS = 1_000;

/**
 * Starts ssh and resolves when it is connected.
 *
 * @throws {CardwireError} `E_SSH…` with ssh's own words and what to do; `E_NO_SSH`.
 */
export async function startMaster(options: MasterOptions): Promise<RunningMaster> {
  const { destination, ssh, directory, canAsk, connectSeconds, notice, signal } = options;
  const id = options.serial.toString(36);
  const controlPath = join(directory, `c${id}`);
  const logPath = join(directory, `log${id}`);
  const socketPath = (kind: "f" | "p") => join(directory, `${kind}${id}`);
  const target = { destination, controlPath };
  const terminal = canAsk ? "ours" : "apart";
  const log = () => readFile(logPath, "utf8").catch(() => ""); // it ended before it had one

  const control = (args: readonly string[], limitMs = CONTROL_MS) =>
    runSsh(ssh, args, { terminal: "apart", signal: AbortSignal.timeout(limitMs) });
  const files = [controlPath, logPath, socketPath("f"), socketPath("p")];
  const remove = () => Promise.all(files.map((path) => rm(path, { force: true })));

  const failed = async ({ stderr, endedBy }: SshResult): Promise<CardwireError> => {
    const words = `${stderr}\n${await log()}`;
    if (words.trim() !== "") return explainComplaint(words, options);
    if (endedBy !== undefined) {
      return new CardwireError("E_SSH", `ssh to ${destination} was ended by ${endedBy}`, {
        hint: "Something here ended it, such as a person or a lack of memory; try again.",
      });
    }
    // Whatever happens after ssh has read its command line is in the log; the rest it told the terminal itself.
    const message = `ssh to ${destination} did not start; its own words are above`;
    const hint = `Mend ~/.ssh/config, or what was given as the ssh command: ${ssh.map(shellWord).join(" ")}`;
    return new CardwireError("E_SSH_CONFIG", message, { hint });
  };

  let hold: Socket | undefined;
  try {
    const args = masterArguments({ ...target, logPath, canAsk, connectSeconds });
    const started = await runSsh(ssh, args, { terminal, signal });
    if (started.status !== 0) throw await failed(started);
    hold = await dial(controlPath, { signal });
    const ended = followed(hold);
    const pid = processId(await control(controlArguments(target, "check")));
    signal.throwIfAborted();
    const words = `${started.stderr}${await log()}`.trim();
    if (words !== "") notice?.(words);

    const held = hold;
    return {
      ended,
      log,
      socketPath,
      forward: async (forward) => {
        const added = await control(forwardArguments(target, "forward", forward), FORWARD_MS);
        if (added.status !== 0) throw await failed(added);
      },
      cancel: async (forward) => {
        // What cannot be told any more to the master has ended with it.
        await control(forwardArguments(target, "cancel", forward)).catch(() => {});
      },
      shell: async (script, within) => {
        const result = await runSsh(ssh, shellArguments(target), {
          ...within,
          input: script,
          terminal: "apart",
        });
        return result.stdout;
      },
      session: () => {
        const [program = "ssh", ...first] = ssh;
        // In a session of its own, out of reach of Ctrl-C: whoever started it ends it.
        return spawn(program, [...first, ...shellArguments(target)], { detached: true });
      },
      [Symbol.asyncDispose]: async () => {
        if (!held.destroyed) {
          const asked = control(controlArguments(target, "exit")).catch(() => {}); // not told: it is killed
          await endWithin(END_MS, { ended, force: () => kill(pid, controlPath) });
          await asked;
        }
        held.destroy();
        await remove();
      },
    };
  } catch (error) {
    // Aborted or failed half-way: one that is there already is told to go, and would go by itself.
    await control(controlArguments(target, "exit")).catch(() => {});
    hold?.destroy();
    await remove();
    throw error;
  }
}

/** Resolves when the other end closes. What it says meanwhile (the multiplexer's hello) is not for us. */
function followed(hold: Socket): Promise<void> {
  hold.resume();
  return new Promise((resolve) => {
    hold.once("close", () => resolve());
  });
}

/** ssh answers `-O check` with `Master running (pid=NNN)`. */
function processId({ stderr }: { stderr: string }): number | undefined {
  const pid = /\(pid=(\d+)\)/.exec(stderr)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

async function endWithin(
  limitMs: number,
  { ended, force }: { ended: Promise<void>; force: () => Promise<void> },
): Promise<void> {
  if (await inTime(ended, limitMs)) return;
  await force();
  await inTime(ended, GONE_MS); // one that we may not kill ends by itself
}

async function inTime(ended: Promise<void>, limitMs: number): Promise<boolean> {
  const stop = new AbortController();
  const late = delay(limitMs, "late", { signal: stop.signal }).catch(() => {}); // aborted: it was in time
  const outcome = await Promise.race([ended, late]);
  stop.abort();
  return outcome !== "late";
}

/** Kills a master that does not listen, if `pid` is a process here that has our control path on its command line. */
async function kill(pid: number | undefined, controlPath: string): Promise<void> {
  if (pid === undefined) return;
  try {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8");
    if (line.split("\0").includes(tokenless(controlPath))) process.kill(pid, "SIGKILL");
  } catch {
    // It ended just now, or runs where we cannot see it (a wrapper's ssh on another system): ControlPersist ends it.
  }
}
