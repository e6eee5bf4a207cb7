import type { Reader } from "../../domain/card-service.ts";
import type { Calls } from "./calls.ts";
import type { RemoteHost } from "./host.ts";
import type { LinkedReader } from "../../wire/link/reader-list.ts";

/** Calls in a row whose answers nobody waits for; the next one is awaited. */
const MAX_UNAWAITED = 32;

/** How one handle stands, as far as it is known here: which calls need not be asked, and which not be waited for. */
export class Standing {
  /** A moment ({@link Holders.mark}) at which it had no notice. */
  goodAt = -1;
  /** Calls that nobody waited for since the last one that was answered. */
  unawaited = 0;
  readonly #host: RemoteHost;
  readonly #reader: string;
  readonly #session: object;

  constructor(host: RemoteHost, reader: string, session: object) {
    this.#host = host;
    this.#reader = reader;
    this.#session = session;
  }

  /** Whether one more call need not be waited for. */
  get mayGoOn(): boolean {
    return this.unawaited < MAX_UNAWAITED;
  }

  /**
   * The reader, if whatever is asked of this handle would be answered: it has no notice, and nobody keeps it off the
   * card, nor could have taken it.
   */
  answering(calls: Calls): Reader | undefined {
    const reader = this.undenied(calls);
    return reader?.othersMayHold === false ? reader : undefined;
  }

  /** The same as far as this link's programs go. */
  undenied(calls: Calls): LinkedReader | undefined {
    const { options, holders, table } = this.#host;
    if (!options.pipelining || !calls.isUp) return undefined;
    if (!holders.isUnchanged(this.#reader, this.goodAt)) return undefined;
    return holders.isFreeFor(this.#reader, this.#session) ? table.find(this.#reader) : undefined;
  }

  /** Whether a begin will be granted. */
  mayGoAhead(calls: Calls): boolean {
    return this.mayGoOn && this.answering(calls) !== undefined;
  }
}
