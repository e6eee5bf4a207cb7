/** A generator of numbers from 0 to below 1 that depends on the seed alone (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The same bytes in chunks of 1 to `longest`. */
export function chunked(stream: Uint8Array, random: () => number, longest: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const length = 1 + Math.floor(random() * longest);
    chunks.push(stream.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

/** The same bytes, cut at the given places, in any order; places outside are ignored. */
export function cutAt(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const place of [...new Set(places)].toSorted((a, b) => a - b)) {
    if (place <= at || place >= stream.length) continue;
    chunks.push(stream.subarray(at, place));
    at = place;
  }
  chunks.push(stream.subarray(at));
  return chunks;
}
