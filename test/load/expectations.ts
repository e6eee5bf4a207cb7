import { expect } from "vitest";
import type { Work } from "./load.ts";
import { median } from "./process-figures.ts";

/**
 * How a call may end: well, in a time-out where it waits, or as pcscd says that one died within its transaction. Programs
 * directly on pcscd 1.9.9 see 0x8010000f as well: 50 of them 5 in 11,889 transmits, for between a dead program's lock and
 * the reset of the card another may begin, and the card has no protocol then; 12 that connect and disconnect with a reset
 * 2 in 1,445 connects, for it looks at the protocol again after it has given back the lock on that.
 */
const FINE =
  /^(?!wrong).* 0x00000000$|^change 0x8010000a$|^\w+ 0x80100068$|^(?:transmit|connect) 0x8010000f$/;

/**
 * Growth of the resident memory from the second quarter of the time to the last that counts as none, MB: in minutes, and
 * in the first seconds, in which V8 still takes what it will want.
 */
export const STEADY_MB = { long: 16, short: 32 } as const;

/** Nothing went wrong, and nothing is left. */
export function expectSound(
  { calls, deaths, before, during, after }: Work,
  steadyMb: number = STEADY_MB.long,
): void {
  const wrong = Object.entries(calls).filter(([end]) => !FINE.test(end));
  expect(wrong).toEqual([]);
  expect(calls["transmit 0x00000000"]).toBeGreaterThan(0);
  expect(deaths).toBeGreaterThan(0);
  expect(after.cardwire.descriptors).toBeLessThanOrEqual(before.cardwire.descriptors + 4);
  expect(after.pcscd.threads).toBeLessThanOrEqual(before.pcscd.threads + 4);
  const memory = during.map(({ cardwire }) => cardwire.memory);
  const quarter = Math.floor(memory.length / 4);
  const early = median(memory.slice(quarter, 2 * quarter));
  const late = median(memory.slice(-quarter));
  if (quarter > 0) expect(late - early).toBeLessThan(steadyMb);
}
