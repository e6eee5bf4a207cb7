import type { Reader } from "../../domain/card-service.ts";
import type { Calls } from "./calls.ts";
import type { RemoteHost } from "./host.ts";

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

  /** The reader, if whatever is asked of this handle would be answered: it has no notice, and nobody keeps it off the card. */
  answering(calls: Calls | undefined): Reader | undefined {
    const { options, holders, table } = this.#host;
    const reader = table.find(this.#reader);
    const isKnown = options.pipelining && calls?.isUp === true && reader !== undefined;
    if (!isKnown || !holders.isUnchanged(this.#reader, this.goodAt)) return undefined;
    return holders.isFreeFor(this.#reader, this.#session) ? reader : undefined;
  }

  /** Whether a begin will be granted: the card is free, and nobody else could have taken it. */
  mayGoAhead(calls: Calls | undefined): boolean {
    if (!this.mayGoOn || !this.answering(calls)) return false;
    return this.#host.table.find(this.#reader)?.othersMayHold === false;
  }
}
