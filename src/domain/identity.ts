import { CardwireError } from "./errors.ts";

/** What an identity may do with a card: see docs/serve.md. */
export const profiles = ["look", "use", "manage"] as const;
export type Profile = (typeof profiles)[number];

/** What somebody may use. */
export interface Grant {
  /** Patterns of the names of readers; none: all of them. */
  readonly readers: readonly string[];
  readonly profile: Profile;
}

const MAX_NAME = 64;

/** Whether somebody can be called so: names stand in certificates, logs and command lines. */
export const isIdentityName = (name: string): boolean =>
  name.length <= MAX_NAME && /^[A-Za-z0-9][A-Za-z0-9._@-]*$/.test(name);

/** @throws {CardwireError} `E_NAME` when nobody can be called so. */
export function checkIdentityName(name: string): void {
  if (isIdentityName(name)) return;
  throw new CardwireError("E_NAME", `${JSON.stringify(name)} cannot be the name of an identity`, {
    hint: `Use letters, digits, '.', '_', '@' and '-', a letter or digit first, ${MAX_NAME} at most.`,
  });
}
