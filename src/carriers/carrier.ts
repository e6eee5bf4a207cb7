import type { Socket } from "node:net";
import type { CardwireError } from "../domain/errors.ts";
import type { Watchable } from "../domain/watchable.ts";

/** Whether streams can be opened now. */
export type Line = { readonly up: true } | LineDown;

export interface LineDown {
  readonly up: false;
  readonly reason: string;
  /** Why the last attempt to bring the line up failed, with what to do; absent until one has. */
  readonly error?: CardwireError | undefined;
}

/**
 * A way to one place: opens ordered byte streams to it, as many as wanted. It knows nothing of cards.
 *
 * Whoever made it disposes it; that ends every stream it opened and everything it started.
 */
export interface Carrier extends AsyncDisposable {
  /** Where it leads, for messages: `user@cardhost`, `unix:/run/pcscd/pcscd.comm`. */
  readonly name: string;
  /** Whether the line is up. The carrier itself brings a broken line up again. */
  readonly line: Watchable<Line>;
  /**
   * Opens one stream. While the line is down it waits until the line is up again or `signal` aborts.
   *
   * @throws {CardwireError} `E_NO_PCSCD` when the line is up and nothing listens at its end.
   */
  open(options: { signal: AbortSignal }): Promise<Socket>;
  /** Finds out why the other end hung up without a word, as an error that says what to do. Never throws. */
  explainSilence(options: { signal: AbortSignal }): Promise<CardwireError>;
}
