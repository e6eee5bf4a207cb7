import type { Context } from "./handshake.ts";

/** Contexts that are kept for the next session; more are closed when they come back. */
const MAX_IDLE = 4;

/** Contexts on connections of their own, and a ready one in reserve: with it a connect to a card costs one round trip. */
export class Contexts {
  readonly #open: () => Promise<Context>;
  #idle: Context[] = [];
  #opening: Promise<Context> | undefined;

  /** @param open opens a fresh one. */
  constructor(open: () => Promise<Context>) {
    this.#open = open;
  }

  /**
   * A context that is the caller's from now on.
   *
   * @param rank how well a context serves; the one that ranks highest is taken.
   * @throws what opening one throws.
   */
  async take(rank: (context: Context) => number): Promise<Context> {
    this.#idle = this.#idle.filter(({ connection }) => connection.isOpen);
    const ranks = this.#idle.map(rank);
    const [taken] = this.#idle.splice(ranks.lastIndexOf(Math.max(...ranks)), 1);
    if (taken) {
      if (this.#idle.length === 0) this.warm();
      return taken;
    }
    if (!this.#opening) return await this.#open();
    const opening = this.#opening;
    this.#opening = undefined; // it is ours now, no longer the reserve
    const context = await opening;
    this.warm();
    return context;
  }

  /** Takes back a context on which no handle is left. */
  giveBack(context: Context): void {
    if (!context.connection.isOpen) return;
    if (this.#idle.length < MAX_IDLE) this.#idle.push(context);
    else void context.connection.closeAnswered(); // never rejects
  }

  /** Sees to it that one is in reserve, without waiting for it. */
  warm(): void {
    if (this.#idle.length > 0 || this.#opening) return;
    const opening = this.#open();
    this.#opening = opening;
    const done = (context?: Context) => {
      if (this.#opening !== opening) return; // somebody took it meanwhile
      this.#opening = undefined;
      if (context) this.giveBack(context);
    };
    // A reserve that cannot be had is no failure: whoever needs a context opens one and hears why not.
    opening.then(done, () => done());
  }

  /** Closes those that nobody uses. */
  rest(): void {
    for (const { connection } of this.#idle.splice(0)) void connection.closeAnswered(); // never rejects
    const opening = this.#opening;
    this.#opening = undefined;
    // One that is still on its way is closed when it comes; one that fails is what we want.
    opening?.then(
      ({ connection }) => connection.close(),
      () => {},
    );
  }
}
