import { type FSWatcher, watch } from "node:fs";
import { Watchable } from "../domain/watchable.ts";
import type { Register } from "./records.ts";
import { isOfRegister, type Store } from "./store.ts";

/** How often the files are looked at, ms: where the system tells of changes, and where it does not. */
const LOOK_MS = { told: 10_000, untold: 500 };
/** Several files change at once, and each of them twice: how long to wait for the others, ms. */
const SETTLE_MS = 20;

/** Who may come in, as the files have it now: changes of other processes show within a second. */
export class LiveRegister implements AsyncDisposable {
  readonly #store: Store;
  readonly #register: Watchable<Register>;
  readonly #problem: (error: unknown) => void;
  #text: string;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> = Promise.resolve();
  #isSoon = false;
  #isClosed = false;

  private constructor(store: Store, register: Register, problem: (error: unknown) => void) {
    this.#store = store;
    this.#register = new Watchable(register);
    this.#text = JSON.stringify(register);
    this.#problem = problem;
  }

  /**
   * @param problem is told when the files cannot be read any more; what was read last holds until they can.
   * @throws {CardwireError} `E_STATE`
   */
  static async open(store: Store, problem: (error: unknown) => void): Promise<LiveRegister> {
    const live = new LiveRegister(store, await store.read(), problem);
    live.#watch();
    live.#lookLater();
    live.#soon(); // it may have changed before it was watched
    return live;
  }

  get value(): Register {
    return this.#register.value;
  }

  follow(options: { signal: AbortSignal }): AsyncIterable<Register> {
    return this.#register.follow(options);
  }

  /** As the files have it at this very moment. Of a file that cannot be read now, what was read last. */
  async latest(): Promise<Register> {
    this.#reading = this.#reading.then(() => this.#read());
    await this.#reading;
    return this.value;
  }

  /** Changes the files, and then what holds here. @throws {CardwireError} as {@link Store.change} does. */
  async change(change: (register: Register) => Register): Promise<void> {
    // Not while it is read: what was read before would show after it.
    const changed = this.#reading.then(async () => this.#set(await this.#store.change(change)));
    this.#reading = changed.catch(() => {}); // whoever asked for it is told
    await changed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#watcher?.close();
    clearTimeout(this.#timer);
    await this.#reading;
  }

  #watch(): void {
    try {
      // Other files are written there as well, the record with each command.
      const changed = (_: string, name: string | null) => {
        if (name === null || isOfRegister(name)) this.#soon();
      };
      this.#watcher = watch(this.#store.path, { persistent: false }, changed);
      this.#watcher.on("error", () => {
        this.#watcher?.close();
        this.#watcher = undefined; // from here on it is looked at more often
        this.#soon();
      });
    } catch {
      this.#watcher = undefined; // there are too many watchers on this computer already
    }
  }

  #lookLater(ms = this.#watcher ? LOOK_MS.told : LOOK_MS.untold): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isSoon = false;
      this.#reading = this.#reading.then(() => this.#read());
    }, ms);
    this.#timer.unref();
  }

  #soon(): void {
    if (this.#isClosed || this.#isSoon) return;
    this.#isSoon = true;
    this.#lookLater(SETTLE_MS);
  }

  /** Never rejects. */
  async #read(): Promise<void> {
    try {
      this.#set(await this.#store.read());
    } catch (error) {
      this.#problem(error);
    }
    if (!this.#isClosed && !this.#isSoon) this.#lookLater();
  }

  #set(register: Register): void {
    const text = JSON.stringify(register);
    if (text === this.#text) return;
    this.#text = text;
    this.#register.set(register);
  }
}
