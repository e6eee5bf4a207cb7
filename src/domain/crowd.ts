/**
 * Who has to go where there are too many: the oldest of whoever has the most. So a crowd of one's own is in nobody else's
 * way, and several who make one are in each other's.
 *
 * @param ones in the order in which they came, each with whose it is.
 */
export function oldestOfMost<T>(
  ones: Iterable<readonly [one: T, whose: string | undefined]>,
): T | undefined {
  const all = [...ones];
  const counts = new Map<string | undefined, number>();
  for (const [, whose] of all) counts.set(whose, (counts.get(whose) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return all.find(([, whose]) => counts.get(whose) === most)?.[0];
}
