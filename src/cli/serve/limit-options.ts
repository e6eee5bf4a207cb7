import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { DEFAULT_IDENTITY_LIMITS, type IdentityLimits } from "../../serve/identity-limits.ts";
import { DEFAULT_LIMITS } from "../../services/arbiter/limits.ts";

/** The most that may be asked for: memory is bounded whatever somebody writes. */
const MAX_COUNT = 1_000_000;
const MAX_BYTES = 1 << 30;

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d{1,7}$/.test(text) || count < 1 || count > MAX_COUNT)
    throw new InvalidArgumentError(`It wants a number from 1 to ${MAX_COUNT}.`);
  return count;
}

const MEBI = 1 << 20;
const UNITS: Readonly<Record<string, number>> = { M: MEBI, G: 1 << 30 };

function parseSize(text: string): number {
  const [, number = "", unit = ""] = /^(\d{1,4})([MG])$/.exec(text) ?? [];
  const bytes = Number(number) * (UNITS[unit] ?? 0);
  if (bytes < MEBI || bytes > MAX_BYTES)
    throw new InvalidArgumentError("It wants a size such as 16M, from 1M to 1G.");
  return bytes;
}

const each = <const F extends string>(flags: F, what: string, usual: string) =>
  new Option(flags, `${what} of one identity, at most (default: ${usual})`);

const { links, handles, perSecond, bytes } = DEFAULT_IDENTITY_LIMITS;

/** What one identity may have at once. */
export const limitOptions = {
  links: () => each("--link-limit <count>", "links", `${links}`).argParser(parseCount),
  handles: () =>
    each("--handle-limit <count>", "handles on cards", `${handles}`).argParser(parseCount),
  waiting: () =>
    each(
      "--waiting-limit <count>",
      "calls that wait for one card",
      `${DEFAULT_LIMITS.waiting}`,
    ).argParser(parseCount),
  rate: () =>
    each("--rate-limit <count>", "commands a second", `${perSecond}`).argParser(parseCount),
  bytes: () =>
    each("--bytes-limit <size>", "commands and answers under way", `${bytes / MEBI}M`).argParser(
      parseSize,
    ),
} as const;

/** What was said of them. */
export function identityLimits({
  linkLimit,
  handleLimit,
  rateLimit,
  bytesLimit,
}: {
  readonly linkLimit?: number | undefined;
  readonly handleLimit?: number | undefined;
  readonly rateLimit?: number | undefined;
  readonly bytesLimit?: number | undefined;
}): Partial<IdentityLimits> {
  return {
    ...(linkLimit !== undefined && { links: linkLimit }),
    ...(handleLimit !== undefined && { handles: handleLimit }),
    ...(rateLimit !== undefined && { perSecond: rateLimit }),
    ...(bytesLimit !== undefined && { bytes: bytesLimit }),
  };
}
