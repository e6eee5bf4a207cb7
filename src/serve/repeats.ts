/** How long what is alike is counted before the count is told, ms. */
const WINDOW_MS = 10_000;
/** So many kinds are told apart at a time; those beyond are counted together. */
const MOST_KINDS = 1_024;
const OTHERS = "";

/** Something that happened, and perhaps more often than once. */
export type Repeated<T> = T & {
  /** It stands for so many alike; absent for one. */
  readonly times?: number;
};

export interface RepeatsOptions<T> {
  readonly tell: (what: Repeated<T>) => void;
  /** So many alike are told one by one. */
  readonly few: number;
  /** Stands for those of which there are too many kinds. */
  readonly others: T;
}

interface Kind<T> {
  latest: T;
  told: number;
  untold: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Tells what happened, so that nobody can fill a disk with it: of things alike the first few at once, and those that
 * follow within ten seconds as a number. Disposing tells what is counted; what comes later is told at once.
 */
export class Repeats<T extends object> implements AsyncDisposable {
  readonly #options: RepeatsOptions<T>;
  readonly #kinds = new Map<string, Kind<T>>();
  #isOver = false;

  constructor(options: RepeatsOptions<T>) {
    this.#options = options;
  }

  /** @param kind what is alike has in common; not empty. */
  note(what: T, kind: string): void {
    const { tell, few, others } = this.#options;
    if (this.#isOver) return tell(what);
    const isKnown = this.#kinds.has(kind);
    const isTold = isKnown || this.#kinds.size < MOST_KINDS;
    const found = this.#kind(isTold ? kind : OTHERS);
    found.latest = isTold ? what : others;
    if (isTold && found.told < few) {
      found.told += 1;
      tell(what);
    } else found.untold += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    for (const [kind, { timer }] of this.#kinds) {
      clearTimeout(timer);
      this.#close(kind);
    }
  }

  #kind(name: string): Kind<T> {
    const known = this.#kinds.get(name);
    if (known) return known;
    const timer = setTimeout(() => this.#close(name), WINDOW_MS);
    timer.unref();
    const made = { latest: this.#options.others, told: 0, untold: 0, timer };
    this.#kinds.set(name, made);
    return made;
  }

  /** Its window is over. While it goes on, there is one line for each window and no more. */
  #close(name: string): void {
    const { few, tell } = this.#options;
    const { latest, untold } = this.#kinds.get(name) ?? { untold: 0 };
    this.#kinds.delete(name);
    if (latest === undefined || untold === 0) return;
    tell(untold === 1 ? latest : { ...latest, times: untold });
    if (!this.#isOver) this.#kind(name).told = few;
  }
}
