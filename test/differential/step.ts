import type { Arguments } from "../pcsc/client.ts";

// What a sequence is made of. A step means the same in every world, and nothing in it belongs to one.

/** Clients in a world unless told; each is a process of its own. */
export const CLIENTS = 3;

/** The two readers of a world. */
export type Slot = 0 | 1;

/** One PC/SC call of one client, by the names of test/pcsc/program.py. */
export interface Call {
  readonly do: "call";
  /** From 0 on. */
  readonly client: number;
  readonly call: string;
  /** As program.py has them, but that a number which belongs to a world is a {@link Known}. */
  readonly with: Arguments;
}

/** A client's process is killed in the middle of whatever it does, and another takes its place. */
export interface Die {
  readonly do: "die";
  readonly client: number;
}

export interface Pull {
  readonly do: "pull";
  readonly slot: Slot;
}

export interface Insert {
  readonly do: "insert";
  readonly slot: Slot;
  /** The answer to reset of the card that goes in, hex. */
  readonly atr: string;
}

export type Step = Call | Die | Pull | Insert;

/**
 * What a program says it knows of a reader: a number, or "last", the state that this world told last of that reader,
 * with the counter that is this world's own.
 */
export type Known = number | "last";

/** The readers of a `change` step: names, "pnp" for the list itself, and what is known of each. */
export type Watched = readonly (readonly [reader: string, known: Known])[];

/** For ever, as SCardGetStatusChange has it. */
export const INFINITE = 0xffff_ffff;

/** Flags of SCardGetStatusChange. */
export const State = {
  Ignore: 1,
  Changed: 2,
  Unavailable: 8,
  Empty: 0x10,
  Present: 0x20,
  Exclusive: 0x80,
  InUse: 0x100,
} as const;

/** A step on one line. */
export function describe(step: Step): string {
  if (step.do === "die") return `client ${step.client} dies`;
  if (step.do === "pull") return `the card in slot ${step.slot} is pulled`;
  if (step.do === "insert") return `a card with ATR ${step.atr} goes into slot ${step.slot}`;
  const args = Object.entries(step.with).map(([name, value]) => `${name}: ${shown(value)}`);
  return `client ${step.client} ${step.call}(${args.join(", ")})`;
}

const shown = (value: unknown): string =>
  typeof value === "number" ? `0x${value.toString(16)}` : JSON.stringify(value);
