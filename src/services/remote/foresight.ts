import type { Reader } from "../../domain/card-service.ts";
import { Protocol, ReaderStateBit, ShareMode } from "../../domain/pcsc.ts";
import { negotiate } from "../negotiate.ts";

/** What is remembered of one reader's card, until it is another. */
interface Card {
  readonly eventCounter: number;
  readonly atr: string;
  /** Protocols that were active with it, which it therefore speaks. */
  readonly spoken: Set<number>;
  /** By the protocols that were asked for: the one that became active. */
  readonly negotiated: Map<number, number>;
}

/**
 * What a connect will come to, where the reader's state tells (protocol reference, section 5.6): the protocol that is
 * active decides for all, and where none is, a card negotiates what it negotiated before, or speaks what it spoke.
 */
export class Foresight {
  readonly #cards = new Map<string, Card>();

  /** The protocol that will be active; undefined where the outcome is not certain. */
  protocolOf(reader: Reader, share: number, protocols: number): number | undefined {
    const { stateBits, protocol, sharing } = reader;
    if (sharing < 0 || (protocols & ~(Protocol.T0 | Protocol.T1)) !== 0) return undefined;
    // A card that nobody uses loses its power at any moment, and with it the protocol.
    const mayEnd = sharing === 0 && protocol !== Protocol.Undefined;
    if (share === ShareMode.Direct) return mayEnd ? undefined : protocol;
    const isReady = (stateBits & READY) === READY && (stateBits & ReaderStateBit.Swallowed) === 0;
    if (share !== ShareMode.Shared || !isReady) return undefined;
    const active = (protocol & protocols) === 0 ? undefined : protocol;
    if (protocol !== Protocol.Undefined && !mayEnd) return active;
    const negotiated = this.#negotiated(reader, protocols);
    return mayEnd && negotiated !== active ? undefined : negotiated;
  }

  /** A connect to this reader came to this protocol, or will. */
  learn(reader: Reader, protocols: number, protocol: number): void {
    if (protocol !== Protocol.T0 && protocol !== Protocol.T1) return;
    const known = this.#cards.get(reader.name);
    const card = known && isSame(known, reader) ? known : cardIn(reader);
    card.spoken.add(protocol);
    if (reader.protocol === Protocol.Undefined) card.negotiated.set(protocols, protocol);
    this.#cards.set(reader.name, card);
  }

  /** What a card without a protocol comes to: what it did before, or what its ATR says, if it spoke that already. */
  #negotiated(reader: Reader, protocols: number): number | undefined {
    const card = this.#cards.get(reader.name);
    if (!card || !isSame(card, reader)) return undefined;
    const before = card.negotiated.get(protocols);
    if (before !== undefined) return before;
    const offered = negotiate(protocols, Protocol.Undefined, reader.atr ?? new Uint8Array(0));
    return offered !== undefined && card.spoken.has(offered) ? offered : undefined;
  }

  /** Forgets readers that are gone. */
  keepOnly(readers: readonly Reader[]): void {
    const names = new Set(readers.map(({ name }) => name));
    for (const name of this.#cards.keys()) if (!names.has(name)) this.#cards.delete(name);
  }
}

const READY = ReaderStateBit.Present | ReaderStateBit.Powered;
const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");

const cardIn = ({ eventCounter, atr }: Reader): Card => ({
  eventCounter,
  atr: hex(atr),
  spoken: new Set(),
  negotiated: new Map(),
});

const isSame = (card: Card, { eventCounter, atr }: Reader): boolean =>
  card.eventCounter === eventCounter && card.atr === hex(atr);
