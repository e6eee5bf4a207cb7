import { setMaxListeners } from "node:events";
import type { CardService, Connected, ConnectOptions, Reader } from "../domain/card-service.ts";
import { CardwireError, ReturnCodeError } from "../domain/errors.ts";
import { firstSignal } from "../domain/first-signal.ts";
import { Rv } from "../domain/return-codes.ts";
import { Watchable } from "../domain/watchable.ts";
import { Labelled } from "./labelled.ts";
import { LabelledSession } from "./labelled-session.ts";

/**
 * How long the first list waits for hosts that do not say what is true now, ms: time enough to wake a pcscd that rested
 * over a slow line, and what a person who lists readers bears.
 */
const FIRST_LIST_MS = 3_000;

/** One of the services that are seen as one. */
export interface MergedSource {
  /** Goes into the names of its readers, usually the host: see `outerName`. No other source has the same. */
  readonly label: string;
  readonly service: CardService;
}

/**
 * Several services as one list of readers: those of the first service, then those of the second, and so on. Each name
 * carries its host. What happens to one service concerns its own readers only.
 *
 * Disposing it disposes the services.
 */
export class MergedService implements CardService {
  readonly #sources: readonly Labelled[];
  readonly #life = new AbortController();
  #lists: readonly (readonly Reader[])[] = [];
  #readers: readonly Reader[] = [];

  constructor(sources: readonly MergedSource[]) {
    this.#sources = sources.map(({ label, service }) => new Labelled(label, service));
    setMaxListeners(0, this.#life.signal); // each follower listens
  }

  /** The same array until a service has another one. */
  get readers(): readonly Reader[] {
    const lists = this.#sources.map(({ readers }) => readers);
    if (lists.some((list, index) => list !== this.#lists[index])) {
      this.#lists = lists;
      this.#readers = lists.flat();
    }
    return this.#readers;
  }

  /**
   * Follows all services at once. The first list waits until each has told its own, but no longer than
   * 3 s: a service that is silent for longer is shown as it was, and what it tells later is another
   * list.
   */
  async *watch({ signal }: { signal: AbortSignal }): AsyncGenerator<readonly Reader[]> {
    const stop = new AbortController();
    using end = firstSignal(signal, stop.signal, this.#life.signal);
    setMaxListeners(0, end.signal); // each service listens
    const shown = new Watchable<readonly Reader[] | undefined>(undefined);
    const awaited = new Set(this.#sources);
    const show = () => {
      if (awaited.size === 0 && shown.value !== this.readers) shown.set(this.readers);
    };
    const timer = setTimeout(() => {
      awaited.clear();
      show();
    }, FIRST_LIST_MS);
    timer.unref();
    const follow = async (source: Labelled) => {
      for await (const _ of source.service.watch(end)) {
        awaited.delete(source);
        show();
      }
    };
    const following = Promise.all(this.#sources.map(follow));
    following.catch(() => stop.abort()); // below it is thrown
    try {
      show();
      for await (const readers of shown.follow(end)) if (readers) yield readers;
    } finally {
      clearTimeout(timer);
      stop.abort();
      await following;
    }
  }

  async connect(
    reader: string,
    how: ConnectOptions,
    options: { signal: AbortSignal },
  ): Promise<Connected> {
    for (const source of this.#sources) {
      const inner = source.innerName(reader);
      if (inner === undefined) continue;
      const { session, activeProtocol } = await source.service.connect(inner, how, options);
      return { session: new LabelledSession(session, { inner, outer: reader }), activeProtocol };
    }
    throw new ReturnCodeError("SCardConnect", Rv.UnknownReader);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new CardwireError("E_CLOSED", "the service was closed"));
    await Promise.all(this.#sources.map(({ service }) => service[Symbol.asyncDispose]()));
  }
}
