import { setMaxListeners } from "node:events";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { CardwireError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { Watchable } from "../../domain/watchable.ts";
import { explainFileError } from "../../host/file-errors.ts";
import { makeOwnedDirectory, sweepOwnedDirectories } from "../../host/owned-directory.ts";
import { MAX_SOCKET_PATH_BYTES } from "../../host/socket-path.ts";
import type { Line } from "../carrier.ts";
import { CONTROL_PATH_SUFFIX_BYTES } from "./argv.ts";
import { AFTER_REFUSAL_MS, backOffMs } from "./back-off.ts";
import { explainComplaint } from "./complaints.ts";
import { checkDestination } from "./destination.ts";
import { type MasterOptions, type RunningMaster, startMaster } from "./master.ts";

export interface SshLineOptions {
  /** `[user@]host`, an alias of ssh_config, or `ssh://user@host:port`. */
  readonly destination: string;
  /** The program and the arguments to begin with. */
  readonly ssh?: readonly string[] | undefined;
  /** Private and existing; the line makes one of its own in it, or in the system's when that path gets too long. */
  readonly directory: string;
  /** Whether a person can answer ssh's questions at the start. */
  readonly canAsk: boolean;
  /** The same for every later connection, when a program may be using the terminal. */
  readonly canAskAgain: boolean;
  /**
   * Starts although the first connection fails for a reason that may pass: the line then says why, and is tried again.
   * What waiting does not cure still fails at once.
   */
  readonly keepTrying?: boolean | undefined;
  /** Gets what ssh said although it succeeded: banners, warnings. */
  readonly notice?: ((text: string) => void) | undefined;
  /** Aborting ends the start. A line that has started is ended by disposing it. */
  readonly signal: AbortSignal;
}

/**
 * Makes a fresh connection fit for use, before the line counts as up.
 *
 * @throws {CardwireError} when it cannot; the connection is given up and a new one is tried later.
 */
export type Prepare = (master: RunningMaster, options: { signal: AbortSignal }) => Promise<void>;

/** Errors that trying again at once cannot cure, and that the other side may count against us. */
const refusals = new Set(["E_SSH_AUTH", "E_SSH_HOST_KEY", "E_SSH_CONFIG"]);

/** Errors that may pass while nobody here does anything: the network or the other computer comes up, a key is let in. */
const passing = new Set([
  "E_LINE_DOWN",
  "E_SSH",
  "E_SSH_AUTH",
  "E_SSH_HOST",
  "E_SSH_HOST_KEY",
  "E_SSH_UNREACHABLE",
]);

/**
 * How long a later connection may take to reach the host, s: about as long as a dead line takes to be noticed. One that is
 * accepted and never answered, as when the cable is pulled just then, would wait for hours.
 */
const RECONNECT_SECONDS = 15;

/** Longest name of a file that a master makes in its directory, with the slash before it: `/c` and its number. */
const CONTROL_NAME_BYTES = 8;

/**
 * Connects with the system's OpenSSH and keeps the connection up until it is disposed.
 *
 * @throws {CardwireError} `E_WHERE` no destination; `E_NO_SSH`; `E_SSH_HOST`, `E_SSH_AUTH`, `E_SSH_HOST_KEY`,
 *   `E_SSH_UNREACHABLE`, `E_SSH_CONFIG`, `E_SSH` as ssh itself explains it; whatever `prepare` throws.
 */
export async function sshLine(
  options: SshLineOptions,
  prepare: Prepare = async () => {},
): Promise<SshLine> {
  checkDestination(options.destination);
  const directory = await makeDirectory(options.directory);
  try {
    const line = new SshLine(options, directory, prepare);
    await line.start();
    return line;
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function makeDirectory(parent: string): Promise<string> {
  try {
    return await makeIn(parent);
  } catch (cause) {
    throw explainFileError(cause, "ssh's sockets", parent);
  }
}

async function makeIn(parent: string): Promise<string> {
  await sweepOwnedDirectories(parent, "ssh");
  const directory = await makeOwnedDirectory(parent, "ssh");
  const longest = MAX_SOCKET_PATH_BYTES - CONTROL_PATH_SUFFIX_BYTES - CONTROL_NAME_BYTES;
  if (Buffer.byteLength(directory) <= longest) return directory;
  await rm(directory, { recursive: true });
  await sweepOwnedDirectories(tmpdir(), "cardwire-ssh");
  return makeOwnedDirectory(tmpdir(), "cardwire-ssh");
}

/** One ssh connection to one host, brought up again whenever it breaks. */
export class SshLine implements AsyncDisposable {
  readonly destination: string;
  /** Whether the connection is there and prepared; why not, otherwise. */
  readonly state = new Watchable<Line>({ up: false, reason: "not connected yet" });
  readonly #options: SshLineOptions;
  readonly #directory: string;
  #prepare: Prepare;
  readonly #ssh: readonly string[];
  readonly #closing = new AbortController();
  #serial = 0;
  #master: RunningMaster | undefined;
  #keeping: Promise<void> = Promise.resolve();
  #pausing = new AbortController();

  /** Use `sshLine`. */
  constructor(options: SshLineOptions, directory: string, prepare: Prepare) {
    this.destination = options.destination;
    this.#options = options;
    this.#directory = directory;
    this.#prepare = prepare;
    this.#ssh = options.ssh ?? ["ssh"];
    setMaxListeners(0, this.#closing.signal); // every stream that waits for the line listens
  }

  /** Aborts when the line is being closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** The connection, while the line is up. */
  get master(): RunningMaster | undefined {
    return this.#master;
  }

  /** Why there is no line now, as an error. */
  get lineDown(): CardwireError {
    const line = this.state.value;
    const reason = line.up ? "the line broke" : line.reason;
    return new CardwireError("E_LINE_DOWN", `no line to ${this.destination}: ${reason}`, {
      hint: "It is tried again by itself; wait, or end this with Ctrl-C.",
    });
  }

  /** Connects for the first time. @throws {CardwireError} as `sshLine` does. */
  async start(): Promise<void> {
    const { canAsk, keepTrying, notice, signal } = this.#options;
    try {
      this.#keeping = this.#keep(await this.#connect({ canAsk, notice, signal }));
    } catch (error) {
      const code = CardwireError.is(error) ? error.code : "";
      if (!keepTrying || signal.aborted || !passing.has(code)) throw error;
      this.#lose(error);
      this.#keeping = this.#reconnect(error).then((master) => this.#keep(master));
    }
  }

  /** The connection, as soon as the line is up. @throws the signal's reason. */
  async up(signal: AbortSignal): Promise<RunningMaster> {
    for await (const { up } of this.state.follow({ signal })) {
      if (up && this.#master !== undefined) return this.#master;
    }
    throw signal.reason;
  }

  /**
   * From now on connections are made fit for use in this way, the present one at once.
   *
   * @throws {CardwireError} when that one cannot be.
   */
  async adopt(prepare: Prepare, options: { signal: AbortSignal }): Promise<void> {
    this.#prepare = prepare;
    if (this.#master) await prepare(this.#master, options);
  }

  /** Ends the present pause between two attempts. */
  hurry(): void {
    this.#pausing.abort();
  }

  /** This connection is of no more use: ends it, so that the next one is tried. */
  async giveUp(master: RunningMaster): Promise<void> {
    await master[Symbol.asyncDispose]();
    await master.ended;
    if (this.#master === master) this.#down("ssh ended");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(
      new CardwireError("E_CLOSED", `the line to ${this.destination} was closed`),
    );
    await this.#keeping;
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #connect(
    how: Pick<MasterOptions, "canAsk" | "connectSeconds" | "notice" | "signal">,
  ): Promise<RunningMaster> {
    this.#serial += 1;
    const master = await startMaster({
      destination: this.destination,
      ssh: this.#ssh,
      directory: this.#directory,
      serial: this.#serial,
      ...how,
    });
    try {
      await this.#prepare(master, how);
      how.signal.throwIfAborted();
    } catch (error) {
      await master[Symbol.asyncDispose]();
      throw error;
    }
    this.#master = master;
    this.state.set({ up: true });
    return master;
  }

  #down(reason: string, error?: CardwireError): void {
    this.#master = undefined;
    this.state.set({ up: false, reason, error });
  }

  #lose(error: unknown): void {
    if (CardwireError.is(error)) this.#down(error.message, error);
    else this.#down(String(error));
  }

  /** Waits for the end of one master after the other, and starts the next, until the line is closed. */
  async #keep(first: RunningMaster | undefined): Promise<void> {
    const { signal } = this.#closing;
    const closing = aborted(signal);
    for (let master = first; master !== undefined; ) {
      await Promise.race([master.ended, closing]);
      if (!signal.aborted) this.#down(await this.#whyEnded(master));
      await master[Symbol.asyncDispose]();
      master = await this.#reconnect();
    }
    this.#down("closed");
  }

  async #whyEnded(master: RunningMaster): Promise<string> {
    const words = (await master.log()).split("\n").filter((line) => !line.startsWith("channel "));
    if (words.join("").trim() === "") return `ssh to ${this.destination} ended`;
    const { canAskAgain } = this.#options;
    const attempt = { destination: this.destination, ssh: this.#ssh, canAsk: canAskAgain };
    return explainComplaint(words.join("\n"), attempt).message;
  }

  /** Tries until it succeeds, `after` a failed first attempt. Undefined when the line is closed first. */
  async #reconnect(after?: unknown): Promise<RunningMaster | undefined> {
    const { signal } = this.#closing;
    let waitMs = pause(after);
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await this.#pause(Math.max(waitMs, backOffMs(attempt, Math.random())));
        const canAsk = this.#options.canAskAgain;
        return await this.#connect({ canAsk, connectSeconds: RECONNECT_SECONDS, signal });
      } catch (error) {
        if (signal.aborted) break;
        waitMs = pause(error);
        this.#lose(error);
      }
    }
    return undefined;
  }

  async #pause(limitMs: number): Promise<void> {
    this.#pausing = new AbortController();
    using either = firstSignal(this.closing, this.#pausing.signal);
    await delay(limitMs, undefined, either).catch(() => this.closing.throwIfAborted());
  }
}

/** How long to wait at least after a failure, ms. */
const pause = (error: unknown): number =>
  CardwireError.is(error) && refusals.has(error.code) ? AFTER_REFUSAL_MS : 0;

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
