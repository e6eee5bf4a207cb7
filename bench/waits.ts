/** Now, in ms: the system's monotonic clock, which every process here reads alike. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Bytes that passed the client's end of a line at a moment of that clock. */
export interface LineEvent {
  readonly at: number;
  readonly toServer: boolean;
  readonly bytes: number;
}

/** The shortest line on which a wait can be told from a program that computes, ms. */
export const TELLING_MS = 50;

/**
 * How often something waited for the other end, seen at the client's end of a line. Whoever waits for
 * an answer sends nothing for a whole round trip, until it is there; whoever goes on without waiting
 * does. So: pauses in what goes to the server, of at least half a round trip, in which something came
 * from the server. The end of the program ends a pause as well.
 *
 * Two requests under way at once count once, as they should: they cost the time of one. Answers in
 * several pieces, acknowledgements of ssh's windows and answers that come after the program's end
 * count nothing. A program that computes for half a round trip while an answer comes in that it does
 * not wait for would be counted wrongly; those here compute for 30 ms at most, so that a line of
 * 100 ms tells them apart, and one of 50 ms nearly always.
 */
export function countWaits(
  events: readonly LineEvent[],
  { from, to, roundTripMs }: { from: number; to: number; roundTripMs: number },
): number {
  let waits = 0;
  let sentAt = Number.POSITIVE_INFINITY;
  let hasAnswer = false;
  const went = (at: number): void => {
    if (hasAnswer && at - sentAt >= roundTripMs / 2) waits += 1;
    sentAt = at;
    hasAnswer = false;
  };
  for (const { at, toServer } of events) {
    if (at < from || at > to) continue;
    if (toServer) went(at);
    else hasAnswer = true;
  }
  went(to);
  return waits;
}
