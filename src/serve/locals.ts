import { CardwireError } from "../domain/errors.ts";
import type { Grant, Profile } from "../domain/identity.ts";
import { accountName } from "../host/account.ts";
import type { Guests } from "./guests.ts";

/** What names of this computer's users begin with: a colon is in no name that somebody was invited by. */
const PREFIX = "local:";

/** What names of accounts may look like to stand in an identity's; others stand by their number. */
const PLAIN = /^[A-Za-z_][A-Za-z0-9._-]*$/;
const MAX_NAME = 64;
/** So many users' names are remembered: the system is not asked at each connection. */
const MAX_NAMES = 1_000;

/** Whether it is a user of this computer. */
export const isLocal = (identity: string): boolean => identity.startsWith(PREFIX);

/** The name of an account, where that is one of this computer's users. */
export const withoutLocal = (identity: string): string =>
  isLocal(identity) ? identity.slice(PREFIX.length) : identity;

/** As whom a user of this computer is known: `local:alice`, or `local:#1000` where his account's name could not stand there. */
export async function localIdentity(uid: number): Promise<string> {
  const name = await accountName(uid);
  const isPlain = name !== undefined && name.length <= MAX_NAME && PLAIN.test(name);
  return `${PREFIX}${isPlain ? name : `#${uid}`}`;
}

/** Who may do everything whatever is said of others: root, and the one whose process this is. */
const isOwner = (uid: number): boolean => uid === 0 || uid === process.getuid?.();

/** What users of this computer may do with the cards of a `cardwire serve` on it. */
export class Locals {
  readonly #profile: Profile;
  readonly #owners = new Set<string>();
  readonly #names = new Map<number, Promise<string>>();

  /** @param profile of those who are neither root nor the user of this process. */
  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /** As whom that user is known from here on. */
  async enter(uid: number): Promise<string> {
    if (this.#names.size > MAX_NAMES) this.#names.clear();
    const known = this.#names.get(uid) ?? localIdentity(uid);
    this.#names.set(uid, known);
    const identity = await known;
    if (isOwner(uid)) this.#owners.add(identity);
    return identity;
  }

  grantOf(identity: string): Grant {
    return { readers: [], profile: this.#owners.has(identity) ? "manage" : this.#profile };
  }
}

/** `guests`, and users of this computer, but for those who were revoked. */
export function withLocals(guests: Guests, locals: Locals): Guests {
  return {
    enrols: guests.enrols,
    visitorOf: (arrival) => {
      const visitor = guests.visitorOf(arrival);
      if (isLocal(visitor.name))
        throw new CardwireError("E_DENIED", "the certificate's name cannot be an identity's");
      return visitor;
    },
    admit: (register, visitor, now) => {
      const { name } = visitor;
      if (!isLocal(name)) return guests.admit(register, visitor, now);
      if (register.identities.some((one) => one.name === name && one.revoked !== undefined))
        throw new CardwireError("E_DENIED", `the identity ${name} was revoked`);
    },
    grantOf: (register, name) => {
      if (!isLocal(name)) return guests.grantOf(register, name);
      const found = register.identities.find((one) => one.name === name);
      return found?.revoked === undefined ? locals.grantOf(name) : undefined;
    },
  };
}
