/**
 * What happens to a card between two who use it one after the other.
 *
 * `reset`: it is reset when the next one is another identity, so that nobody inherits a PIN that somebody else verified.
 * `reset-unless-same-user`: likewise, but identities of one user are one: what stands before the first `@`
 * (`alice@laptop` and `alice@desk`).
 * `exclusive`: as `reset`, and only one identity has handles on the card at a time.
 * `shared`: nothing, as in pcscd: whoever comes next finds the card as the last one left it.
 */
export type HandOverPolicy = "reset" | "reset-unless-same-user" | "exclusive" | "shared";

/** Who sent the card a command since it was powered up. */
export type Use =
  | { readonly kind: "nobody" }
  | { readonly kind: "identity"; readonly identity: string }
  /** Perhaps programs that do not come through here, or what was before we came. */
  | { readonly kind: "unknown" };

export const UNUSED: Use = { kind: "nobody" };
export const UNKNOWN: Use = { kind: "unknown" };

/** Whether the card has to be reset before `identity` gets it. */
export function isHandOverDue(
  policy: HandOverPolicy,
  use: Use,
  { identity, foreign }: { readonly identity: string; readonly foreign: boolean },
): boolean {
  if (policy === "shared") return false;
  // Whoever has a handle of his own on the card may have sent it anything.
  if (foreign || use.kind === "unknown") return true;
  if (use.kind === "nobody" || use.identity === identity) return false;
  return policy !== "reset-unless-same-user" || userOf(use.identity) !== userOf(identity);
}

/** The user of an identity that names one: `alice` of `alice@laptop`, all of it where there is no `@`. */
export const userOf = (identity: string): string => identity.split("@", 1)[0] ?? identity;
