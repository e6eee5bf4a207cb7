import type { CardService } from "../domain/card-service.ts";
import { globMatcher } from "../domain/glob.ts";
import { lentReaders } from "../services/lent-readers.ts";
import type { View } from "./server.ts";

/** Shows everybody the readers of one service whose names fit what was granted. */
export const grantedReaders =
  (service: CardService): View =>
  (_principal, { readers }) => {
    if (readers.length === 0) return service;
    const matchers = readers.map(globMatcher);
    return lentReaders(
      service,
      (name) =>
        // A reader's own name counts as it is, although brackets in it mean something in a glob.
        readers.includes(name) || matchers.some((fits) => fits(name)),
    );
  };
