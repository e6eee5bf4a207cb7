import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { DEFAULT_IDENTITY_LIMITS, type IdentityLimits } from "../../serve/identity-limits.ts";
import { type ArbiterLimits, DEFAULT_LIMITS } from "../../services/arbiter/limits.ts";
import { parseDuration } from "../options.ts";

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

const usually = DEFAULT_IDENTITY_LIMITS;

/** How long something may last. */
const lasting = <const F extends string>(flags: F, what: string, usual: string) =>
  new Option(flags, `the longest that ${what} may last (default: ${usual})`).argParser(
    parseDuration,
  );

/** How long somebody may keep others waiting, and what one identity may have at once. */
export const limitOptions = {
  idle: () => lasting("--idle-limit <time>", "a transaction without a command", "60s"),
  total: () => lasting("--total-limit <time>", "a transaction", "10m"),
  connect: () => lasting("--connect-limit <time>", "a connect that waits for its turn", "5m"),
  links: () => each("--link-limit <count>", "links", `${usually.links}`).argParser(parseCount),
  handles: () =>
    each("--handle-limit <count>", "handles on cards", `${usually.handles}`).argParser(parseCount),
  waiting: () =>
    each(
      "--waiting-limit <count>",
      "calls that wait for one card",
      `${DEFAULT_LIMITS.waiting}`,
    ).argParser(parseCount),
  rate: () =>
    each("--rate-limit <count>", "commands a second", `${usually.perSecond}`).argParser(parseCount),
  bytes: () =>
    each(
      "--bytes-limit <size>",
      "commands and answers under way",
      `${usually.bytes / MEBI}M`,
    ).argParser(parseSize),
} as const;

/** What was said of them, and of how long somebody may keep others waiting, ms. */
export interface LimitFlags {
  readonly idleLimit?: number | undefined;
  readonly totalLimit?: number | undefined;
  readonly connectLimit?: number | undefined;
  readonly waitingLimit?: number | undefined;
  readonly linkLimit?: number | undefined;
  readonly handleLimit?: number | undefined;
  readonly rateLimit?: number | undefined;
  readonly bytesLimit?: number | undefined;
}

export const identityLimits = ({
  linkLimit: links,
  handleLimit: handles,
  rateLimit: perSecond,
  bytesLimit: bytes,
}: LimitFlags): Partial<IdentityLimits> => said({ links, handles, perSecond, bytes });

export const turnLimits = ({
  idleLimit: idleMs,
  totalLimit: totalMs,
  connectLimit: connectMs,
  waitingLimit: waiting,
}: LimitFlags): Partial<ArbiterLimits> => said({ idleMs, totalMs, connectMs, waiting });

/** Without what was not said: the defaults hold there. */
const said = <T>(limits: { readonly [K in keyof T]: T[K] | undefined }): Partial<T> =>
  Object.fromEntries(
    Object.entries(limits).filter(([, limit]) => limit !== undefined),
  ) as Partial<T>;
