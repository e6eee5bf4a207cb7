import { setMaxListeners } from "node:events";
import { rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { CardwireError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { Watchable } from "../../domain/watchable.ts";
import { dial } from "../../host/dial.ts";
import { errorCode } from "../../host/error-code.ts";
import { explainFileError } from "../../host/file-errors.ts";
import { makeOwnedDirectory, sweepOwnedDirectories } from "../../host/owned-directory.ts";
import { checkSocketPath, MAX_SOCKET_PATH_BYTES } from "../../host/socket-path.ts";
import type { Carrier, Line } from "../carrier.ts";
import { hangsUp } from "../hang-up.ts";
import { answersAgain } from "../pcscd-silence.ts";
import { CONTROL_PATH_SUFFIX_BYTES } from "./argv.ts";
import { AFTER_REFUSAL_MS, backOffMs } from "./back-off.ts";
import { explainComplaint } from "./complaints.ts";
import { checkDestination } from "./destination.ts";
import { type RunningMaster, startMaster } from "./master.ts";
import { explainFindings, parseFindings, probeScript } from "./remote-probe.ts";

export interface SshCarrierOptions {
  /** `[user@]host`, an alias of ssh_config, or `ssh://user@host:port`. */
  readonly destination: string;
  /** The socket over there. */
  readonly remoteSocket?: string | undefined;
  /** The program and the arguments to begin with. */
  readonly ssh?: readonly string[] | undefined;
  /** Private and existing; the carrier makes one of its own in it, or in the system's when that path gets too long. */
  readonly directory: string;
  /** Whether a person can answer ssh's questions at the start. */
  readonly canAsk: boolean;
  /** The same for every later connection, when a program may be using the terminal. */
  readonly canAskAgain: boolean;
  /** Gets what ssh said although it succeeded: banners, warnings. */
  readonly notice?: ((text: string) => void) | undefined;
  /** Aborting ends the start. A carrier that has started is ended by disposing it. */
  readonly signal: AbortSignal;
}

/** Where pcscd listens on Linux since pcsc-lite 1.9.0. */
export const PCSCD_SOCKET = "/run/pcscd/pcscd.comm";

/** Errors that trying again at once cannot cure, and that the other side may count against us. */
const refusals = new Set(["E_SSH_AUTH", "E_SSH_HOST_KEY", "E_SSH_CONFIG"]);

/** What connecting to the forward's local end says when ssh no longer listens there. */
const masterIsGone = new Set<string | undefined>(["ENOENT", "ECONNREFUSED", "ECONNRESET"]);

/** How long the far end may take to hang up when it is tried, ms: a round trip, and pcscd's question to polkit. */
const REFUSAL_MS = 3_000;

/** How long the session may take that turns Nagle's algorithm off, ms. */
const SESSION_MS = 30_000;

/** How long the far end's shell may take to answer, ms. */
const PROBE_MS = 10_000;

/** Longest name of a file that a master makes in its directory, with the slash before it: `/c` and its number. */
const CONTROL_NAME_BYTES = 8;

/**
 * Connects with the system's OpenSSH and resolves when streams to the remote socket can be opened. A line that breaks
 * is brought up again until the carrier is disposed.
 *
 * Over ssh a remote socket at which nobody listens shows as a stream that closes at once, not as an error of `open`;
 * `explainSilence` tells. Streams come with an `error` listener that does nothing; add your own to know why one ended.
 *
 * @throws {CardwireError} `E_WHERE` no destination; `E_NO_SSH`; `E_SSH_HOST`, `E_SSH_AUTH`, `E_SSH_HOST_KEY`,
 *   `E_SSH_UNREACHABLE`, `E_SSH_CONFIG`, `E_SSH` as ssh itself explains it.
 */
export async function sshCarrier(options: SshCarrierOptions): Promise<Carrier> {
  const { destination, remoteSocket = PCSCD_SOCKET } = options;
  checkDestination(destination);
  checkSocketPath(remoteSocket);
  const directory = await makeDirectory(options.directory);
  try {
    const carrier = new SshCarrier(options, directory);
    await carrier.start();
    return carrier;
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

/**
 * Runs one empty session. sshd leaves Nagle's algorithm on until a connection has had one, and then what it sends in two
 * pieces, such as pcscd's answer to a TRANSMIT, takes up to a round trip more: the second waits for the first to be
 * acknowledged. An account without a shell serves as well.
 */
async function sendAtOnce(master: RunningMaster): Promise<void> {
  const signal = AbortSignal.timeout(SESSION_MS);
  await master.shell("exit\n", { signal }).catch(() => {}); // slower then, as any forward is
}

class SshCarrier implements Carrier {
  readonly name: string;
  readonly line = new Watchable<Line>({ up: false, reason: "not connected yet" });
  readonly #options: SshCarrierOptions;
  readonly #directory: string;
  readonly #remoteSocket: string;
  readonly #ssh: readonly string[];
  readonly #streams = new Set<Socket>();
  readonly #closing = new AbortController();
  #serial = 0;
  #master: RunningMaster | undefined;
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: SshCarrierOptions, directory: string) {
    this.name = options.destination;
    this.#options = options;
    this.#directory = directory;
    this.#remoteSocket = options.remoteSocket ?? PCSCD_SOCKET;
    this.#ssh = options.ssh ?? ["ssh"];
    setMaxListeners(0, this.#closing.signal); // every stream that waits for the line listens
  }

  async start(): Promise<void> {
    const { canAsk, notice, signal } = this.#options;
    const master = await this.#connect({ canAsk, notice, signal });
    this.#keeping = this.#keep(master);
  }

  async open({ signal }: { signal: AbortSignal }): Promise<Socket> {
    using either = firstSignal(signal, this.#closing.signal);
    for (;;) {
      const master = await this.#up(either.signal);
      try {
        const stream = await dial(master.socket, either);
        this.#streams.add(stream);
        stream.once("close", () => this.#streams.delete(stream));
        return stream;
      } catch (error) {
        either.signal.throwIfAborted();
        if (!masterIsGone.has(errorCode(error))) throw error;
        // ssh is ending, or somebody removed its socket: either way this master is of no more use.
        await master[Symbol.asyncDispose]();
        await master.ended;
        if (this.#master === master) this.#down("ssh ended");
      }
    }
  }

  async explainSilence({ signal }: { signal: AbortSignal }): Promise<CardwireError> {
    const place = { place: this.name, socket: this.#remoteSocket };
    const master = this.#master;
    if (master === undefined || !this.line.value.up) return this.#lineDown();
    try {
      const before = (await master.log()).length;
      const stream = await dial(master.socket, { signal });
      if (!(await hangsUp(stream, { limitMs: REFUSAL_MS, signal }))) return answersAgain(place);
      const opened = !(await master.log()).slice(before).includes("open failed");
      const within = { signal: AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]) };
      const output = await master.shell(probeScript(this.#remoteSocket), within).catch(() => ""); // no shell
      if (!this.line.value.up) return this.#lineDown();
      return explainFindings(place, { opened, findings: parseFindings(output) });
    } catch (cause) {
      const { message } = this.#lineDown();
      return new CardwireError("E_LINE_DOWN", message, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new CardwireError("E_CLOSED", `the line to ${this.name} was closed`));
    for (const stream of this.#streams) stream.destroy();
    await this.#keeping;
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #up(signal: AbortSignal): Promise<RunningMaster> {
    for await (const { up } of this.line.follow({ signal })) {
      if (up && this.#master !== undefined) return this.#master;
    }
    throw signal.reason;
  }

  async #connect(
    how: Pick<SshCarrierOptions, "canAsk" | "notice" | "signal">,
  ): Promise<RunningMaster> {
    this.#serial += 1;
    const master = await startMaster({
      destination: this.name,
      remoteSocket: this.#remoteSocket,
      ssh: this.#ssh,
      directory: this.#directory,
      serial: this.#serial,
      ...how,
    });
    this.#master = master;
    this.line.set({ up: true });
    void sendAtOnce(master); // never rejects, and nothing waits for it
    return master;
  }

  #down(reason: string): void {
    this.#master = undefined;
    this.line.set({ up: false, reason });
  }

  #lineDown(): CardwireError {
    const line = this.line.value;
    const reason = line.up ? "the line broke" : line.reason;
    return new CardwireError("E_LINE_DOWN", `no line to ${this.name}: ${reason}`, {
      hint: "It is tried again by itself; wait, or end this with Ctrl-C.",
    });
  }

  /** Waits for the end of one master after the other, and starts the next, until the carrier is closed. */
  async #keep(first: RunningMaster): Promise<void> {
    const { signal } = this.#closing;
    const closing = aborted(signal);
    for (let master: RunningMaster | undefined = first; master !== undefined; ) {
      await Promise.race([master.ended, closing]);
      if (!signal.aborted) this.#down(await this.#whyEnded(master));
      await master[Symbol.asyncDispose]();
      master = await this.#reconnect(signal);
    }
    this.#down("closed");
  }

  async #whyEnded(master: RunningMaster): Promise<string> {
    const words = (await master.log()).split("\n").filter((line) => !line.startsWith("channel "));
    if (words.join("").trim() === "") return `ssh to ${this.name} ended`;
    return this.#explain(words.join("\n"));
  }

  #explain(words: string): string {
    const { canAskAgain } = this.#options;
    const attempt = { destination: this.name, ssh: this.#ssh, canAsk: canAskAgain };
    return explainComplaint(words, attempt).message;
  }

  /** Tries until it succeeds. Undefined when the carrier is closed first. */
  async #reconnect(signal: AbortSignal): Promise<RunningMaster | undefined> {
    let waitMs = 0;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await delay(Math.max(waitMs, backOffMs(attempt, Math.random())), undefined, { signal });
        return await this.#connect({
          canAsk: this.#options.canAskAgain,
          notice: undefined,
          signal,
        });
      } catch (error) {
        if (signal.aborted) break;
        waitMs = CardwireError.is(error) && refusals.has(error.code) ? AFTER_REFUSAL_MS : 0;
        this.#down(error instanceof Error ? error.message : String(error));
      }
    }
    return undefined;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
