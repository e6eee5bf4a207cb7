import type { Audit } from "../audit/record.ts";
import type { CardService } from "../domain/card-service.ts";
import { audited } from "../services/audited.ts";
import type { Policy } from "../services/policy/policy.ts";
import type { View } from "./server.ts";

export interface ViewParts {
  /** Where all identities meet. */
  readonly arbiter: CardService;
  readonly policy: Policy;
  readonly audit: Audit;
}

const EVERY_READER = ["*"];

/** What each identity sees: the readers granted to him, by the rules, and on the record. */
export function identityViews({ arbiter, policy, audit }: ViewParts): View {
  return (principal, { profile, readers: granted }) => {
    const readers = granted.length === 0 ? EVERY_READER : granted;
    const view = policy.view(arbiter, { principal, profile, readers });
    return audited(view, audit, principal.name);
  };
}
