/** Whether one character of the text is accepted. */
type One = (character: string) => boolean;

/** A pattern, piece by piece: one character each, or any number of any characters. */
type Piece = One | "any number";

/**
 * Makes a function that tells whether a text matches `pattern` as a whole, case-sensitively, by the rules of POSIX
 * (XCU 2.13.1, "Patterns Matching a Single Character", and 2.13.2): `*` is any number of characters, `?` is one,
 * `[a-z_]` one of these and `[!a-z_]` (or `[^a-z_]`) one other than these, `\` takes the meaning from what follows. A
 * `[` without its `]` stands for itself, and so does a `\` at the end. Nothing is special about `/` and leading dots,
 * and there are no classes such as `[:alpha:]`. A character is a Unicode code point.
 *
 * Never throws. A match takes at most as many steps as the lengths of text and pattern multiplied, whatever they are.
 */
export function globMatcher(pattern: string): (text: string) => boolean {
  const pieces = parse(Array.from(pattern));
  return (text) => matches(pieces, Array.from(text));
}

function parse(pattern: readonly string[]): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at];
    const set = character === "[" ? parseSet(pattern, at + 1) : undefined;
    if (set !== undefined) {
      pieces.push(set.accepts);
      at = set.last;
    } else if (character === "*") pieces.push("any number");
    else if (character === "?") pieces.push(() => true);
    else {
      if (character === "\\" && at + 1 < pattern.length) at += 1;
      const literal = pattern[at];
      pieces.push((other) => other === literal);
    }
  }
  return pieces;
}

/** A bracket expression that begins behind its `[`, and where its `]` is; `undefined` when it has none. */
function parseSet(
  pattern: readonly string[],
  begin: number,
): { accepts: One; last: number } | undefined {
  const negated = pattern[begin] === "!" || pattern[begin] === "^";
  const first = negated ? begin + 1 : begin;
  const ranges: [from: string, to: string][] = [];
  let at = first;
  /** The character at `at`, or the one that a backslash there protects. */
  const take = (): string | undefined => {
    if (pattern[at] === "\\") at += 1;
    return pattern[at++];
  };
  // A "]" at the first place is a member of the set, as in POSIX.
  while (at === first || pattern[at] !== "]") {
    const from = take();
    if (from === undefined) return undefined;
    const isRange = pattern[at] === "-" && pattern[at + 1] !== "]" && at + 1 < pattern.length;
    if (isRange) at += 1;
    const to = isRange ? take() : from;
    if (to === undefined) return undefined;
    ranges.push([from, to]);
  }
  const isIn = (character: string) =>
    ranges.some(
      ([from, to]) => codeOf(from) <= codeOf(character) && codeOf(character) <= codeOf(to),
    );
  return { accepts: (character) => isIn(character) !== negated, last: at };
}

const codeOf = (character: string): number => character.codePointAt(0) ?? -1;

/** Goes back to the last `*` only: what an earlier one took can stay as it is, for the later one can take the rest. */
function matches(pieces: readonly Piece[], text: readonly string[]): boolean {
  let piece = 0;
  let retry: { piece: number; at: number } | undefined;
  for (let at = 0; at < text.length; ) {
    const wanted = pieces[piece];
    if (wanted === "any number") {
      piece += 1;
      retry = { piece, at };
    } else if (wanted?.(text[at] ?? "") === true) {
      piece += 1;
      at += 1;
    } else if (retry !== undefined) {
      retry.at += 1;
      ({ piece, at } = retry);
    } else return false;
  }
  return pieces.slice(piece).every((rest) => rest === "any number");
}
