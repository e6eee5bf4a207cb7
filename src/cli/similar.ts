/** Mistakes that a suggestion may differ by: a slip of the fingers, not another word. */
const MAX_DISTANCE = 3;

/** The one of `words` that somebody may have meant who wrote `word`, if one is close enough. */
export function mostSimilar(word: string, words: readonly string[]): string | undefined {
  const near = words
    .map((other) => ({ other, distance: distance(word, other) }))
    .filter(
      ({ other, distance: far }) =>
        far <= MAX_DISTANCE && far <= Math.max(word.length, other.length) / 2,
    )
    .toSorted((a, b) => a.distance - b.distance);
  return near[0]?.other;
}

/** Levenshtein's: the fewest characters to insert, delete or replace. */
function distance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [row, character] of Array.from(from).entries()) {
    const next = [row + 1];
    for (const [column, other] of Array.from(to).entries()) {
      const replaced = (previous[column] ?? 0) + (character === other ? 0 : 1);
      const deleted = (previous[column + 1] ?? 0) + 1;
      const inserted = (next[column] ?? 0) + 1;
      next.push(Math.min(replaced, deleted, inserted));
    }
    previous = next;
  }
  return previous.at(-1) ?? 0;
}
