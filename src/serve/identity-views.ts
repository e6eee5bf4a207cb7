import type { Audit } from "../audit/record.ts";
import type { CardService } from "../domain/card-service.ts";
import { audited } from "../services/audited.ts";
import type { Policy } from "../services/policy/policy.ts";
import { grantedReaders } from "./granted.ts";
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
  const granted = grantedReaders(arbiter);
  return (principal, grant) => {
    const { profile } = grant;
    const readers = granted(principal, grant);
    const view = policy.view(readers, { principal, profile, readers: EVERY_READER });
    return audited(view, audit, principal.name);
  };
}
