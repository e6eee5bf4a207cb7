import type { Calls } from "./calls.ts";
import type { Holders } from "./holders.ts";
import type { RemoteSession } from "./session.ts";
import type { Told } from "./told.ts";
import type { ShownReaders } from "./shown-readers.ts";

export interface RemoteOptions {
  /** Goes on without answers that carry no news. Off: every answer is awaited. */
  readonly pipelining: boolean;
  /** Has the other end fetch what a card announces with 61xx. */
  readonly prefetch: boolean;
}

/** What the sessions of one link share. */
export interface RemoteHost {
  readonly options: RemoteOptions;
  readonly table: ShownReaders;
  readonly holders: Holders;
  readonly told: Told;
  /** The calls of the present session of the link. */
  readonly calls: Calls | undefined;
  /** A number for a new handle on that reader. What the other end tells of it is heeded until it {@link ended}. */
  number(reader: string): number;
  /** Waits until the other end is there with a list newer than this. @returns false when it stays away, or `signal` aborts. */
  confirm(options: { signal: AbortSignal }): Promise<boolean>;
  /** A handle is open. */
  began(card: number, session: RemoteSession): void;
  /** It is closed, or never was open. Harmless when it was told before. */
  ended(card: number): void;
}
