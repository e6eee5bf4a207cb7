import { createHash } from "node:crypto";

// Names of readers where those of several card hosts are in one list.

/** Longest name of a reader, bytes of UTF-8: pcsc-lite's MAX_READERNAME (pcsclite.h) without the NUL. */
export const MAX_NAME_BYTES = 127;

/** Longest label in a name, bytes of UTF-8: most host names fit, and two thirds of the name are left for the reader's own. */
export const MAX_LABEL_BYTES = 40;

/** The reader's index and slot, two hexadecimal digits each, that pcscd puts behind every name; programs parse them. */
const INDEX_AND_SLOT = /^(.*)( [0-9A-F]{2} [0-9A-F]{2})$/isu;

/** What a label must not have: what ends it in a name, what does not print, and what takes room unseen. */
const UNFIT = /[()\p{C}\p{Z}]/gu;

/** What stands for whatever was left out. A text that has it from the start gets another, so that the two differ. */
const CUT = /~[0-9a-f]{8}(~|$)/u;

/**
 * How a label shows in names: as it is if it is short and prints, otherwise as what can be kept of it and a hash of it.
 * Differs for different labels. At most {@link MAX_LABEL_BYTES}.
 */
export function shownLabel(label: string): string {
  const fit = label.replaceAll(UNFIT, "_");
  if (fit === label && sizeOf(label) <= MAX_LABEL_BYTES && !CUT.test(label)) return label;
  const mark = `~${hashOf(label)}`;
  return `${startOf(fit, MAX_LABEL_BYTES - sizeOf(mark))}${mark}`;
}

/**
 * The name that a reader has in a list of several hosts' readers: `Virtual PCD 00 00` of `alice` is
 * `Virtual PCD (alice) 00 00`. It depends on the two arguments alone, differs for different ones, and has at most
 * {@link MAX_NAME_BYTES}; what does not fit is left out of the middle of the reader's own name, behind which its serial
 * number stands, and a hash of the whole takes its place.
 */
export function outerName(label: string, inner: string): string {
  const { model, digits } = partsOf(inner);
  const end = ` (${shownLabel(label)})${digits}`;
  const room = MAX_NAME_BYTES - sizeOf(end);
  if (sizeOf(model) <= room && !CUT.test(model)) return `${model}${end}`;
  const mark = `~${hashOf(`${label}\0${inner}`)}~`;
  const kept = room - sizeOf(mark);
  if (sizeOf(model) <= kept) return `${model}${mark}${end}`;
  const half = Math.floor(kept / 2);
  return `${startOf(model, kept - half)}${mark}${endOf(model, half)}${end}`;
}

/** The name that a reader has on its own host, read from its outer one; `undefined` where that does not tell. */
export function innerName(label: string, outer: string): string | undefined {
  const { model, digits } = partsOf(outer);
  const end = ` (${shownLabel(label)})`;
  if (!model.endsWith(end)) return undefined;
  const inner = `${model.slice(0, -end.length)}${digits}`;
  return outerName(label, inner) === outer ? inner : undefined;
}

function partsOf(name: string): { model: string; digits: string } {
  const [, model = name, digits = ""] = INDEX_AND_SLOT.exec(name) ?? [];
  return { model, digits };
}

const hashOf = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 8);

const sizeOf = (text: string): number => Buffer.byteLength(text);

/** As many whole characters of the beginning as fit into `size` bytes. */
function startOf(text: string, size: number): string {
  let kept = "";
  let left = size;
  for (const character of text) {
    left -= sizeOf(character);
    if (left < 0) break;
    kept += character;
  }
  return kept;
}

/** The same of the end. */
function endOf(text: string, size: number): string {
  const backwards = Array.from(text).toReversed().join("");
  return Array.from(startOf(backwards, size)).toReversed().join("");
}
