import type { Reader } from "./card-service.ts";

/** Whether the card that lay in a reader still lies there, as far as the reader tells: nothing came or went. */
export function isSameCard(before: Reader, now: Reader | undefined): boolean {
  if (!now || now.eventCounter !== before.eventCounter) return false;
  const [a, b] = [before.atr, now.atr];
  if (!a || !b) return a === b;
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
