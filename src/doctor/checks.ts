import { cardHostChecks } from "./card-host-checks.ts";
import { clientHostChecks } from "./client-host-checks.ts";
import { serveChecks } from "./serve-checks.ts";

/** Everything doctor can say. A name never changes its meaning. */
export const checks = { ...cardHostChecks, ...serveChecks, ...clientHostChecks } as const;

export type CheckName = keyof typeof checks;

/** The levels at which a check can be reported. */
export type LevelOf<C extends CheckName> = (typeof checks)[C]["levels"][number];
