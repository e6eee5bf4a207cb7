import { createReadStream } from "node:fs";

/** Whether a file of any size holds all of these ASCII texts. */
export async function mentions(
  path: string,
  texts: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<boolean> {
  const missing = new Set(texts);
  const overlap = Math.max(...texts.map((text) => text.length)) - 1;
  let before = "";
  for await (const chunk of createReadStream(path, { encoding: "latin1", signal })) {
    const text = before + String(chunk);
    for (const wanted of missing) if (text.includes(wanted)) missing.delete(wanted);
    if (missing.size === 0) return true;
    before = text.slice(-overlap);
  }
  return false;
}
