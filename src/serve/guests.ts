import type { X509Certificate } from "node:crypto";
import type { Arrival } from "../carriers/tls/listen.ts";
import { CardwireError } from "../domain/errors.ts";
import { checkIdentityName, type Grant } from "../domain/identity.ts";
import type { Register } from "./records.ts";
import { admitted } from "./register.ts";
import { memberOf, type NameOf, type Visitor, visitorOf } from "./visitor.ts";

/** Whom a card host lets in. */
export interface Guests {
  /** Whether certificates are given here. */
  readonly enrols: boolean;
  /** Who came. @throws {CardwireError} `E_DENIED` when that is nobody. */
  visitorOf(arrival: Arrival): Visitor;
  /** @throws {CardwireError} `E_DENIED` why he may not be here now. */
  admit(register: Register, visitor: Visitor, now: number): void;
  /** What somebody may use; undefined for who is unknown or was revoked. */
  grantOf(register: Register, name: string): Grant | undefined;
}

/** Those who were invited, by certificates of this card host's own authority. */
export const invitedGuests = (authority: () => X509Certificate): Guests => ({
  enrols: true,
  visitorOf: (arrival) => visitorOf(arrival, authority()),
  admit: (register, visitor, now) => void admitted(register, visitor, now),
  grantOf: (register, name) => {
    const found = register.identities.find((one) => one.name === name);
    return found?.revoked === undefined ? found : undefined;
  },
});

/** Everybody with a certificate of an organisation's, but those who were revoked here. */
export const memberGuests = ({
  nameOf,
  grant,
}: {
  readonly nameOf: NameOf;
  readonly grant: Grant;
}): Guests => {
  const isRevoked = ({ identities }: Register, name: string): boolean =>
    identities.some((one) => one.name === name && one.revoked !== undefined);
  return {
    enrols: false,
    visitorOf: (arrival) => {
      const visitor = memberOf(arrival, nameOf);
      try {
        checkIdentityName(visitor.name);
      } catch (cause) {
        throw new CardwireError("E_DENIED", "the certificate's name cannot be an identity's", {
          cause,
        });
      }
      return visitor;
    },
    admit: (register, { name, expires }, now) => {
      if (expires !== undefined && expires <= now)
        throw new CardwireError("E_DENIED", `the certificate of ${name} has expired`);
      if (isRevoked(register, name))
        throw new CardwireError("E_DENIED", `the identity ${name} was revoked`);
    },
    grantOf: (register, name) => (isRevoked(register, name) ? undefined : grant),
  };
};
