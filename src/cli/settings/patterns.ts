import type { AtrPattern, ByteMask } from "../../services/policy/rule.ts";
import { type AidPattern, MAX_AID } from "../../services/policy/selection.ts";

// How rules in the settings file write bytes. Each gives undefined for what it cannot be.

/** Bytes in hexadecimal, in either case, with blanks or colons between them. */
export function hexBytes(text: string): Uint8Array | undefined {
  const digits = text.replaceAll(/[\s:]/g, "");
  return /^(?:[0-9a-f]{2})+$/i.test(digits) ? Buffer.from(digits, "hex") : undefined;
}

/** `0x87`, `"87"`, or `"80/f0"`: of a byte, the bits of the mask count. */
export function byteMask(value: unknown): ByteMask | undefined {
  if (typeof value === "number")
    return Number.isInteger(value) && value >= 0 && value <= 0xff
      ? { value, mask: 0xff }
      : undefined;
  const [, byte, mask = "ff"] =
    /^([0-9a-f]{2})(?:\/([0-9a-f]{2}))?$/i.exec(typeof value === "string" ? value : "") ?? [];
  if (byte === undefined) return undefined;
  return { value: Number.parseInt(byte, 16), mask: Number.parseInt(mask, 16) };
}

/** An application's identifier, or with `*` at its end all that begin so. */
export function aidPattern(value: unknown): AidPattern | undefined {
  const found = withStar(value);
  return found && found.bytes.length <= MAX_AID ? found : undefined;
}

/** The longest answer to reset, bytes (ISO/IEC 7816-3, 8.2.1). */
const MAX_ATR = 33;

/** An answer to reset, with `*` at its end all that begin so, or `VALUE/MASK` of the same length. */
export function atrPattern(value: unknown): AtrPattern | undefined {
  const [before, after, ...more] = typeof value === "string" ? value.split("/") : [];
  const found = withStar(before);
  if (!found || found.bytes.length > MAX_ATR || more.length > 0) return undefined;
  if (after === undefined) return found;
  const mask = hexBytes(after);
  const isMask = mask?.length === found.bytes.length && !found.isPrefix;
  return isMask ? { ...found, mask } : undefined;
}

function withStar(value: unknown): AidPattern | undefined {
  if (typeof value !== "string") return undefined;
  const isPrefix = value.endsWith("*");
  const bytes = hexBytes(isPrefix ? value.slice(0, -1) : value);
  return bytes && { bytes, isPrefix };
}
