import * as v from "valibot";
import { profiles } from "../domain/identity.ts";

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const time = v.pipe(v.string(), v.isoTimestamp());
const grant = {
  readers: v.array(v.string()),
  profile: v.picklist(profiles),
};

/** A key of somebody's that may come in. */
const key = v.object({
  /** SHA-256 of its SubjectPublicKeyInfo. */
  fingerprint: sha256,
  /** On which computer it is, as that told. */
  on: v.string(),
  created: time,
  /** When its latest certificate ends. */
  expires: time,
});

const identity = v.object({
  name: v.string(),
  ...grant,
  created: time,
  /** When the invitation was made that says what he may use. */
  invited: v.optional(time),
  revoked: v.optional(time),
  keys: v.array(key),
});

const invitation = v.object({
  /** SHA-256 of the token's secret, which is kept nowhere. */
  secret: sha256,
  name: v.string(),
  ...grant,
  created: time,
  expires: time,
  used: v.optional(time),
});

/** The text of identities.json and of invitations.json. */
export const Identities = v.object({ version: v.literal(1), identities: v.array(identity) });
export const Invitations = v.object({ version: v.literal(1), invitations: v.array(invitation) });

/** Somebody who was let in once. */
export type Identity = Readonly<v.InferOutput<typeof identity>>;
export type IdentityKey = Readonly<v.InferOutput<typeof key>>;
/** Somebody who may come in once. */
export type Invitation = Readonly<v.InferOutput<typeof invitation>>;

/** Everybody who may come in, or might. */
export interface Register {
  readonly identities: readonly Identity[];
  readonly invitations: readonly Invitation[];
}
