import type { CommandView } from "./command-view.ts";

/** What a command does, in the order of what it takes to be allowed it. */
export const Level = {
  /** Reads what everybody may read. No PIN, no key, no change. */
  Look: 0,
  /** Verifies one's own PIN, and uses keys. */
  Use: 1,
  /** Changes PINs, keys, objects, or the card. */
  Manage: 2,
  /** Nobody knows. */
  Unknown: 3,
} as const;
export type Level = (typeof Level)[keyof typeof Level];

/** What somebody has to be allowed for a command, and what the command is. */
export interface Need {
  readonly level: Level;
  /** As the standard calls it, for people: `GENERAL AUTHENTICATE with the management key`. */
  readonly what: string;
}

/** A command among others: what can be said of its data depends on them. */
export interface Seen {
  readonly command: CommandView;
  /** All of its data; undefined where a part of it is in another APDU, before or after this one. */
  readonly data: Uint8Array | undefined;
  /** Whether the card certainly finds no data in it. */
  readonly isBare: boolean;
}

/** What a command needs, where that depends on more than INS. Undefined: it is nothing special here. */
export type Judge = (seen: Seen) => Need | undefined;

/** Commands by INS. */
export type Commands = ReadonlyMap<number, Need | Judge>;

const need = (level: Level) => {
  const known = new Map<string, Need>();
  // The same object for the same words: judging a command makes nothing new.
  return (what: string): Need => {
    const one = known.get(what) ?? { level, what };
    known.set(what, one);
    return one;
  };
};

export const look = need(Level.Look);
export const use = need(Level.Use);
export const manage = need(Level.Manage);
export const unknown = need(Level.Unknown);

/** What stands for a command in a table. */
export function needIn(commands: Commands, seen: Seen): Need | undefined {
  const found = commands.get(seen.command.ins ?? NO_INS);
  return typeof found === "function" ? found(seen) : found;
}

const NO_INS = -1;

/** The one that takes more. */
export const greater = (a: Need, b: Need): Need => (b.level > a.level ? b : a);
