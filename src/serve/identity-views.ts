import type { Audit } from "../audit/record.ts";
import type { CardService } from "../domain/card-service.ts";
import type { Arbiter } from "../services/arbiter/arbiter.ts";
import { audited } from "../services/audited.ts";
import type { Policy } from "../services/policy/policy.ts";
import type { View } from "./server.ts";

/** Whether a command of that identity's outside a transaction has its turn at once, and finds the card as it is now. */
export function mayRunAtOnce(
  arbiter: Pick<Arbiter, "attendance" | "isHandOverDue">,
  reader: string,
  identity: string,
): boolean {
  const { holder, lease } = arbiter.attendance(reader);
  const isFree = [holder, lease?.identity].every((one) => one === undefined || one === identity);
  return isFree && !arbiter.isHandOverDue(reader, identity);
}

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
