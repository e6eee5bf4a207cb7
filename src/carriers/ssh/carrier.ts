import type { Socket } from "node:net";
import { CardwireError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import type { Watchable } from "../../domain/watchable.ts";
import { dial } from "../../host/dial.ts";
import { errorCode } from "../../host/error-code.ts";
import { checkSocketPath } from "../../host/socket-path.ts";
import type { Carrier, Line } from "../carrier.ts";
import { hangsUp } from "../hang-up.ts";
import { answersAgain } from "../pcscd-silence.ts";
import { type Prepare, type SshLine, type SshLineOptions, sshLine } from "./line.ts";
import type { RunningMaster } from "./master.ts";
import { explainFindings, parseFindings, probeScript } from "./remote-probe.ts";

export interface SshCarrierOptions extends SshLineOptions {
  /** The socket over there. */
  readonly remoteSocket?: string | undefined;
}

/** Where pcscd listens on Linux since pcsc-lite 1.9.0. */
export const PCSCD_SOCKET = "/run/pcscd/pcscd.comm";

/** What connecting to the forward's local end says when ssh no longer listens there. */
const masterIsGone = new Set<string | undefined>(["ENOENT", "ECONNREFUSED", "ECONNRESET"]);

/** How long the far end may take to hang up when it is tried, ms: a round trip, and pcscd's question to polkit. */
const REFUSAL_MS = 3_000;

/** How long the session may take that turns Nagle's algorithm off, ms. */
const SESSION_MS = 30_000;

/** How long the far end's shell may take to answer, ms. */
const PROBE_MS = 10_000;

/**
 * Connects with the system's OpenSSH and resolves when streams to the remote socket can be opened. A line that breaks
 * is brought up again until the carrier is disposed.
 *
 * Over ssh a remote socket at which nobody listens shows as a stream that closes at once, not as an error of `open`;
 * `explainSilence` tells. Streams come with an `error` listener that does nothing; add your own to know why one ended.
 *
 * @throws {CardwireError} why ssh cannot log in there, with what to do about it.
 */
export async function sshCarrier(options: SshCarrierOptions): Promise<Carrier> {
  const { remoteSocket = PCSCD_SOCKET } = options;
  checkSocketPath(remoteSocket);
  return new SshCarrier(await sshLine(options, forwardTo(remoteSocket)), remoteSocket);
}

/**
 * The same over a line that is there, and that is the carrier's from now on.
 *
 * @throws {CardwireError} when ssh does not forward; the line is still the caller's then.
 */
export async function sshCarrierOn(
  line: SshLine,
  { remoteSocket = PCSCD_SOCKET, signal }: { remoteSocket?: string; signal: AbortSignal },
): Promise<Carrier> {
  await line.adopt(forwardTo(remoteSocket), { signal });
  return new SshCarrier(line, remoteSocket);
}

/** Makes a connection one that forwards to a socket over there. */
const forwardTo =
  (remoteSocket: string): Prepare =>
  async (master) => {
    await master.forward({ listens: "here", localSocket: master.socketPath("f"), remoteSocket });
    void sendAtOnce(master); // never rejects, and nothing waits for it
  };

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
  readonly line: Watchable<Line>;
  readonly #line: SshLine;
  readonly #remoteSocket: string;
  readonly #streams = new Set<Socket>();

  constructor(line: SshLine, remoteSocket: string) {
    this.name = line.destination;
    this.line = line.state;
    this.#line = line;
    this.#remoteSocket = remoteSocket;
  }

  async open({ signal }: { signal: AbortSignal }): Promise<Socket> {
    using either = firstSignal(signal, this.#line.closing);
    for (;;) {
      const master = await this.#line.up(either.signal);
      try {
        const stream = await dial(master.socketPath("f"), either);
        this.#streams.add(stream);
        stream.once("close", () => this.#streams.delete(stream));
        return stream;
      } catch (error) {
        either.signal.throwIfAborted();
        if (!masterIsGone.has(errorCode(error))) throw error;
        // ssh is ending, or somebody removed its socket: either way this master is of no more use.
        await this.#line.giveUp(master);
      }
    }
  }

  async explainSilence({ signal }: { signal: AbortSignal }): Promise<CardwireError> {
    const place = { place: this.name, socket: this.#remoteSocket };
    const { master } = this.#line;
    if (master === undefined || !this.line.value.up) return this.#line.lineDown;
    try {
      const before = (await master.log()).length;
      const stream = await dial(master.socketPath("f"), { signal });
      if (!(await hangsUp(stream, { limitMs: REFUSAL_MS, signal }))) return answersAgain(place);
      const opened = !(await master.log()).slice(before).includes("open failed");
      const within = { signal: AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]) };
      const output = await master.shell(probeScript(this.#remoteSocket), within).catch(() => ""); // no shell
      if (!this.line.value.up) return this.#line.lineDown;
      return explainFindings(place, { opened, findings: parseFindings(output) });
    } catch (cause) {
      return new CardwireError("E_LINE_DOWN", this.#line.lineDown.message, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#line[Symbol.asyncDispose]();
    for (const stream of this.#streams) stream.destroy();
    await closed;
  }
}
