import type { CardService } from "../domain/card-service.ts";
import { globMatcher } from "../domain/glob.ts";
import { lentReaders } from "../services/lent-readers.ts";
import type { View } from "./server.ts";

/** Shows everybody the readers of one service whose names fit what was granted. */
export const grantedReaders =
  (service: CardService): View =>
  (_principal, { readers }) =>
    readers.length === 0 ? service : lentReaders(service, readerFilter(readers));

/** Tells which readers are granted. @param readers as {@link Grant} has them. */
export function readerFilter(readers: readonly string[]): (name: string) => boolean {
  const matchers = readers.map(globMatcher);
  return (name) =>
    readers.length === 0 ||
    // A reader's own name counts as it is, although brackets in it mean something in a glob.
    readers.includes(name) ||
    matchers.some((fits) => fits(name));
}
