import { setMaxListeners } from "node:events";
import type { CardService, Connected, ConnectOptions, Reader } from "../domain/card-service.ts";
import { CardwireError, ReturnCodeError } from "../domain/errors.ts";
import { firstSignal } from "../domain/first-signal.ts";
import { Rv } from "../domain/return-codes.ts";
import { Watchable } from "../domain/watchable.ts";

const NONE: readonly Reader[] = [];

/** A service that is still being opened: it has no readers until then. Disposing it leaves that other one alone. */
export class LateService implements CardService {
  readonly #isSoon: boolean;
  readonly #arrived = new Watchable<CardService | undefined>(undefined);
  readonly #life = new AbortController();

  /** @param options.isSoon whoever follows the readers waits until it is there, and is not told that there are none. */
  constructor({ isSoon = false } = {}) {
    this.#isSoon = isSoon;
    setMaxListeners(0, this.#life.signal); // each follower listens
  }

  get readers(): readonly Reader[] {
    return this.#arrived.value?.readers ?? NONE;
  }

  /** It is there. Called once. */
  arrive(service: CardService): void {
    this.#arrived.set(service);
  }

  async *watch({ signal }: { signal: AbortSignal }): AsyncGenerator<readonly Reader[]> {
    using either = firstSignal(signal, this.#life.signal);
    for await (const service of this.#arrived.follow(either)) {
      if (service) {
        yield* service.watch(either);
        return;
      }
      if (!this.#isSoon) yield NONE;
    }
  }

  /**
   * @throws {ReturnCodeError} `SCARD_E_UNKNOWN_READER` until the service is there, unless it is there soon; what it
   *   throws, from then on.
   */
  async connect(
    reader: string,
    how: ConnectOptions,
    options: { signal: AbortSignal },
  ): Promise<Connected> {
    if (this.#isSoon) await this.#come(options.signal);
    const service = this.#arrived.value;
    if (!service) throw new ReturnCodeError("SCardConnect", Rv.UnknownReader);
    return await service.connect(reader, how, options);
  }

  /** Resolves when it is there, or nobody waits for it any more. */
  async #come(signal: AbortSignal): Promise<void> {
    using either = firstSignal(signal, this.#life.signal);
    for await (const service of this.#arrived.follow(either)) if (service) return;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new CardwireError("E_CLOSED", "the service was closed"));
  }
}
