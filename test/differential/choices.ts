import { atrs } from "../lab/card.ts";
import { FEATURE_REQUEST } from "./compare.ts";
import { INFINITE, type Known, type Slot, State } from "./step.ts";

// How often the generator chooses what.

/** Weighted choices. */
export type Weighted<T> = readonly (readonly [weight: number, value: T])[];

export const SHARES: Weighted<number> = [
  [76, 2],
  [10, 1],
  [12, 3],
  [2, 0],
];
export const PROTOCOLS: Weighted<number> = [
  [72, 3],
  [8, 1],
  [8, 2],
  [5, 4],
  [3, 7],
  [3, 0],
  [1, 0x100],
];
export const DISPOSITIONS: Weighted<number> = [
  [55, 0],
  [24, 1],
  [12, 2],
  [4, 3],
  [5, 7],
];
export const INITIALIZATIONS: Weighted<number> = [
  [45, 0],
  [30, 1],
  [20, 2],
  [5, 3],
];
export const CARD_ATRS: Weighted<string> = [
  [60, atrs.both],
  [20, atrs.t0],
  [20, atrs.t1],
];
export const SLOTS: Weighted<Slot> = [
  [85, 0],
  [15, 1],
];

/** Commands of the test card: echo, a long answer, one through GET RESPONSE, verify, is-verified, unknown, broken. */
export const COMMANDS: Weighted<string> = [
  [20, "80e000000401020304"],
  [8, "80e4012c"],
  [6, "80e40000004000"],
  [5, `80e000000003e8${"a5".repeat(1_000)}`],
  [6, "80e2002000"],
  [5, "00c0000020"],
  [12, "8020000000"],
  [14, "80ea000000"],
  [6, "00a4040000"],
  [3, "8099000000"],
  [2, "80e0"],
];
export const ROOMS: Weighted<number | undefined> = [
  [88, undefined],
  [6, 1],
  [3, 0],
  [3, 258],
];
export const PCIS: Weighted<number | undefined> = [
  [90, undefined],
  [4, 1],
  [4, 2],
  [2, 4],
];

/** ATR, vendor name, a card's presence, friendly and system name, and one that nobody has. */
export const ATTRIBUTES: Weighted<number> = [
  [4, 0x0009_0303],
  [3, 0x0001_0100],
  [2, 0x0009_0300],
  [3, 0x7fff_0003],
  [2, 0x7fff_0004],
  [2, 0x0012_3456],
];
export const CONTROLS: Weighted<number> = [
  [5, FEATURE_REQUEST],
  [3, 0x4200_0001],
  [1, 0],
];

export const KNOWN: Weighted<Known> = [
  [20, 0],
  [25, "last"],
  [16, State.Present],
  [14, State.Empty],
  [8, State.Present | State.InUse],
  [6, State.Present | State.Exclusive],
  [3, State.Unavailable],
  [3, State.Ignore],
];
export const TIMEOUTS: Weighted<number> = [
  [45, 0],
  [10, 60],
  [45, INFINITE],
];

/** What programs do with a card in one go. A disposition is drawn where there is a "?". */
export const IDIOMS: Weighted<readonly (readonly [call: string, disposition?: number | "?"])[]> = [
  [30, [["begin"], ["transmit"], ["end", 0]]],
  [14, [["begin"], ["transmit"], ["end", "?"], ["status"]]],
  [10, [["begin"], ["begin"], ["end", "?"], ["transmit"], ["end", "?"]]],
  [12, [["begin"], ["end", 0], ["end", 0]]],
  [8, [["begin"], ["end", "?"], ["end", "?"], ["begin"]]],
  [8, [["end", "?"], ["reconnect"], ["transmit"]]],
  [8, [["status"], ["reconnect"], ["begin"], ["disconnect", "?"]]],
];
