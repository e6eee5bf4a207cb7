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

/**
 * The readers as programs here see them: the other end's last list, and over it what calls of ours will have done that
 * programs were not made to wait for. Such an effect is taken away when its call was carried out: the list that tells
 * of it comes first.
 */
export class ShownReaders {
  readonly #shown = new Watchable<readonly Reader[]>([]);
  readonly #effects = new Set<Effect>();
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
    this.#list = list;
    this.#show();
  }

  /** Shows an effect until `done` settles. */
  expect(effect: Effect, done: Promise<unknown>): void {
    this.#effects.add(effect);
    this.#show();
    const over = () => {
      this.#effects.delete(effect);
      this.#show();
    };
    done.then(over, over);
  }

  /** Nothing is known any more. */
  clear(): void {
    this.#list = [];
    this.#effects.clear();
    this.#show();
  }

  #show(): void {
    this.#shown.set(this.#list.map((reader) => this.#overlaid(reader)));
  }

  #overlaid(reader: LinkedReader): Reader {
    const { name, atr, stateBits, sharing, protocol, eventCounter } = reader;
    let shown: Reader = { name, stateBits, sharing, protocol, eventCounter, ...(atr && { atr }) };
    for (const effect of this.#effects) {
      if (effect.reader !== reader.name) continue;
      const count = shown.sharing < 0 ? 0 : Math.max(0, shown.sharing + effect.handles);
      shown = { ...shown, sharing: count };
      if (effect.protocol === undefined) continue;
      const isUp = effect.protocol !== Protocol.Undefined;
      shown = { ...shown, protocol: effect.protocol, ...(isUp && { stateBits: READY }) };
    }
    return shown;
  }
}
