import { CardwireError } from "../domain/errors.ts";
import type { Grant } from "../domain/identity.ts";
import type { Identity, IdentityKey, Invitation, Register } from "./records.ts";

/** How many computers one identity may have. */
const MAX_KEYS = 32;
/** How long an invitation is remembered after its end, ms, so that it can be told why it is refused. */
const REMEMBER_MS = 30 * 86_400_000;

const iso = (time: number): string => new Date(time).toISOString();

/** With one invitation more. @param order.secret SHA-256 of the token's secret, in hexadecimal. */
export function withInvitation(
  register: Register,
  order: Grant & { readonly name: string; readonly secret: string; readonly expires: number },
  now: number,
): Register {
  const { name, secret, readers, profile, expires } = order;
  const recent = register.invitations.filter((one) => Date.parse(one.expires) + REMEMBER_MS > now);
  const fresh: Invitation = {
    secret,
    name,
    readers: [...readers],
    profile,
    created: iso(now),
    expires: iso(expires),
  };
  return { ...register, invitations: [...recent, fresh] };
}

/** The invitation that is good now. @throws {CardwireError} `E_TOKEN` why there is none. */
export function goodInvitation(register: Register, secret: string, now: number): Invitation {
  const found = register.invitations.find((one) => one.secret === secret);
  if (!found) throw noInvitation("there is no such invitation, or it was withdrawn");
  if (found.used !== undefined) throw noInvitation("the token was used already");
  if (Date.parse(found.expires) <= now) throw noInvitation("the token has expired");
  return found;
}

const noInvitation = (message: string): CardwireError =>
  new CardwireError("E_TOKEN", message, {
    hint: "Ask for another one: 'cardwire invite NAME' makes it on the card host.",
  });

/**
 * Lets somebody in who was invited: the invitation is used up, and the key is his. What it grants holds for all his
 * computers from now on, unless he came in by one that was made after it.
 *
 * @throws {CardwireError} `E_TOKEN`
 */
export function withGuest(
  register: Register,
  secret: string,
  key: { readonly fingerprint: string; readonly on: string; readonly expires: number },
  now: number,
): Register {
  const { name, readers, profile, created: invited } = goodInvitation(register, secret, now);
  const before = register.identities.find((one) => one.name === name);
  const isBack = before?.revoked !== undefined;
  const added = { ...key, created: iso(now), expires: iso(key.expires) };
  const isOlder = !isBack && before?.invited !== undefined && before.invited > invited;
  const grant = isOlder ? before : { readers, profile, invited };
  const identity: Identity = {
    name,
    readers: grant.readers,
    profile: grant.profile,
    created: before && !isBack ? before.created : iso(now),
    invited: grant.invited,
    keys: [...(before ? livingKeys(before, now) : []), added].slice(-MAX_KEYS),
  };
  return {
    identities: [...register.identities.filter((one) => one !== before), identity],
    invitations: register.invitations.map((one) =>
      one.secret === secret ? { ...one, used: iso(now) } : one,
    ),
  };
}

/** A revoked identity has none. */
const livingKeys = ({ revoked, keys }: Identity, now: number): readonly IdentityKey[] =>
  revoked === undefined ? keys.filter(({ expires }) => Date.parse(expires) > now) : [];

/** With a later end for a key that is good now. */
export function withRenewal(
  register: Register,
  { name, fingerprint, expires }: { name: string; fingerprint: string; expires: number },
): Register {
  const renewed = (key: IdentityKey): IdentityKey =>
    key.fingerprint === fingerprint ? { ...key, expires: iso(expires) } : key;
  return {
    ...register,
    identities: register.identities.map((one) =>
      one.name === name ? { ...one, keys: one.keys.map(renewed) } : one,
    ),
  };
}

/**
 * Without somebody: none of his keys comes in any more, and none of his invitations is good.
 *
 * @param options.isMember whether somebody who was never invited may be meant: a member of an organisation.
 * @throws {CardwireError} `E_IDENTITY` when there is nobody of that name.
 */
export function withoutIdentity(
  register: Register,
  name: string,
  now: number,
  { isMember = false }: { readonly isMember?: boolean } = {},
): Register {
  const isKnown = [...register.identities, ...register.invitations].some(
    (one) => one.name === name,
  );
  if (!isKnown && isMember) {
    const none: Grant = { readers: [], profile: "look" };
    const at = iso(now);
    const member = { ...none, readers: [], name, created: at, revoked: at, keys: [] };
    return { ...register, identities: [...register.identities, member] };
  }
  if (!isKnown)
    throw new CardwireError("E_IDENTITY", `there is no identity ${name}`, {
      hint: "'cardwire identities' lists them.",
    });
  return {
    identities: register.identities.map((one) =>
      one.name === name && one.revoked === undefined
        ? { ...one, revoked: iso(now), keys: [] }
        : one,
    ),
    invitations: register.invitations.filter((one) => one.name !== name || one.used !== undefined),
  };
}

/** With a member of an organisation again who was revoked. @throws {CardwireError} `E_IDENTITY` when he was not. */
export function withPardon(register: Register, name: string): Register {
  const identities = register.identities.filter(
    (one) => one.name !== name || one.revoked === undefined,
  );
  if (identities.length < register.identities.length) return { ...register, identities };
  throw new CardwireError("E_IDENTITY", `${name} was not revoked`);
}

/** The identity whose key may come in now. @throws {CardwireError} `E_DENIED` why it may not. */
export function admitted(
  register: Register,
  { name, fingerprint }: { readonly name: string; readonly fingerprint: string },
  now: number,
): Identity {
  const found = register.identities.find((one) => one.name === name);
  if (found?.revoked !== undefined) throw denied(`the identity ${name} was revoked`);
  const key = found?.keys.find((one) => one.fingerprint === fingerprint);
  if (!found || !key) throw denied(`this key is not one of ${name}'s here`);
  if (Date.parse(key.expires) <= now) throw denied(`the certificate of ${name} has expired`);
  return found;
}

const denied = (message: string): CardwireError =>
  new CardwireError("E_DENIED", message, {
    hint: "Ask for another invitation: 'cardwire invite NAME' makes it on the card host.",
  });
