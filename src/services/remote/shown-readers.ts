import type { Reader } from "../../domain/card-service.ts";
import { Protocol, ReaderStateBit } from "../../domain/pcsc.ts";
import { Watchable } from "../../domain/watchable.ts";
import type { LinkedReader } from "../../wire/link/reader-list.ts";

/** What a call of ours that was answered before it was carried out will change. */
export interface Effect {
  readonly reader: string;
  /** Handles more, or fewer. */
  readonly handles: 1 | -1;
  /** Became active, or was lost with a reset. */
  readonly protocol?: number | undefined;
}

const READY = ReaderStateBit.Present | ReaderStateBit.Powered | ReaderStateBit.Negotiable;

/** pcscd tells how many handles there are up to 0.4 s late. So long an effect on that number is shown after its call, ms. */
const COUNT_MS = 600;

/** An effect that is shown, until its call is over and a list told of it. */
interface Shown {
  readonly effect: Effect;
  isOver: boolean;
  /** Whether a list has told of the handle. */
  isCounted: boolean;
  /** The end of waiting for a list. */
  timer?: NodeJS.Timeout;
}

/**
 * The readers as programs here see them: the other end's last list, and over it what calls of ours will have done that
 * programs were not made to wait for. What such a call does to the card is in the list that comes before its answer; the
 * number of handles may be in a later one.
 */
export class ShownReaders {
  readonly #shown = new Watchable<readonly Reader[]>([]);
  readonly #effects = new Set<Shown>();
  /** Handles of ours, by reader: it has no fewer. */
  readonly #own = new Map<string, number>();
  #list: readonly LinkedReader[] = [];

  /** As the other end told. */
  get list(): readonly LinkedReader[] {
    return this.#list;
  }

  get shown(): Watchable<readonly Reader[]> {
    return this.#shown;
  }

  find(name: string): LinkedReader | undefined {
    return this.#list.find((reader) => reader.name === name);
  }

  /** As programs see it. */
  seen(name: string): Reader | undefined {
    return this.#shown.value.find((reader) => reader.name === name);
  }

  set(list: readonly LinkedReader[]): void {
    for (const { name, sharing } of list) this.#counted(name, sharing);
    this.#list = list;
    this.#show();
  }

  /** A handle of ours is open. */
  opened(reader: string): void {
    this.#own.set(reader, (this.#own.get(reader) ?? 0) + 1);
  }

  /** It is closed. */
  closed(reader: string): void {
    const left = (this.#own.get(reader) ?? 0) - 1;
    if (left > 0) this.#own.set(reader, left);
    else this.#own.delete(reader);
    this.#show();
  }

  /** Shows an effect until `done` settles, and what it does to the number of handles until that is told. */
  expect(effect: Effect, done: Promise<unknown>): void {
    const shown: Shown = { effect, isOver: false, isCounted: false };
    this.#effects.add(shown);
    this.#show();
    const forget = () => {
      this.#forget(shown);
      this.#show();
    };
    const over = () => {
      if (!this.#effects.has(shown)) return;
      if (shown.isCounted) return forget();
      shown.isOver = true;
      shown.timer = setTimeout(forget, COUNT_MS);
      shown.timer.unref();
      this.#show();
    };
    done.then(over, forget);
  }

  /** Nothing is known any more. */
  clear(): void {
    this.#list = [];
    for (const shown of this.#effects) this.#forget(shown);
    this.#own.clear();
    this.#show();
  }

  #forget(shown: Shown): void {
    clearTimeout(shown.timer);
    this.#effects.delete(shown);
  }

  /** A list tells of more handles, or fewer: so many effects were waiting for that. One that has it alone tells nothing. */
  #counted(name: string, sharing: number): void {
    const before = this.find(name)?.sharing ?? 0;
    if (sharing === before) return;
    const isCount = before >= 0 && sharing >= 0;
    let more = sharing - before;
    for (const shown of this.#effects) {
      const { reader, handles } = shown.effect;
      if (reader !== name || shown.isCounted) continue;
      if (isCount && Math.sign(more) !== handles) continue;
      more -= handles;
      if (shown.isOver) this.#forget(shown);
      else shown.isCounted = true;
    }
  }

  #show(): void {
    this.#shown.set(this.#list.map((reader) => this.#overlaid(reader)));
  }

  #overlaid(reader: LinkedReader): Reader {
    const { name, atr, stateBits, sharing, protocol, eventCounter } = reader;
    let shown: Reader = { name, stateBits, sharing, protocol, eventCounter, ...(atr && { atr }) };
    let count = sharing;
    for (const { effect, isOver, isCounted } of this.#effects) {
      if (effect.reader !== name) continue;
      if (!isCounted) count = count < 0 ? 0 : Math.max(0, count + effect.handles);
      if (effect.protocol === undefined || isOver) continue;
      const isUp = effect.protocol !== Protocol.Undefined;
      shown = { ...shown, protocol: effect.protocol, ...(isUp && { stateBits: READY }) };
    }
    if (count >= 0) count = Math.max(count, this.#own.get(name) ?? 0);
    return { ...shown, sharing: count };
  }
}
