import { globMatcher } from "../../domain/glob.ts";
import { LeaseError } from "../../domain/leasing.ts";
import type { OpenSource } from "../open-source.ts";
import { type OpenReaders, readersOf } from "../open.ts";

/** One reader of an attachment. */
export interface FoundReader {
  readonly source: OpenSource;
  /** What it is called there, and here. */
  readonly inner: string;
  readonly outer: string;
}

/**
 * The one reader that is meant.
 *
 * @param wanted its whole name, or a glob that fits it alone.
 * @throws {LeaseError} when there is none, or several.
 */
export function findReader(opened: OpenReaders, wanted: string): FoundReader {
  const all = opened.sources.flatMap((source) =>
    readersOf(opened, source).map(({ name: outer }, index) => ({
      source,
      inner: source.service.readers[index]?.name ?? outer,
      outer,
    })),
  );
  const matches = globMatcher(wanted);
  const exact = all.filter(({ outer }) => outer === wanted);
  const [only, ...others] = exact.length > 0 ? exact : all.filter(({ outer }) => matches(outer));
  if (!only)
    throw new LeaseError("unknown", `no reader here is called ${JSON.stringify(wanted)}`, {
      hint:
        all.length === 0
          ? "There are none now: 'cardwire status' tells why."
          : `There are: ${all.map(({ outer }) => outer).join("; ")}.`,
    });
  if (others.length > 0) {
    const names = [only, ...others].map(({ outer }) => outer).join("; ");
    throw new LeaseError("refused", `several readers are called ${JSON.stringify(wanted)}`, {
      hint: `A lease is of one: ${names}.`,
    });
  }
  return only;
}
