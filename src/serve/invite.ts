import { createHash, randomBytes } from "node:crypto";
import { CardwireError } from "../domain/errors.ts";
import { checkIdentityName, type Grant } from "../domain/identity.ts";
import { encodeToken, TOKEN_SECRET_BYTES } from "../wire/join/token.ts";
import { authorityFiles } from "./authority-files.ts";
import { knownPlace, reachable } from "./place.ts";
import { withInvitation } from "./register.ts";
import type { Store } from "./store.ts";

/** How long a token is good unless told, ms. */
export const INVITATION_MS = 3_600_000;

export interface InviteOptions extends Grant {
  readonly name: string;
  readonly lifetimeMs: number;
  /** What the token is to tell; what is known here unless told. */
  readonly addresses?: readonly string[] | undefined;
  readonly port?: number | undefined;
}

/** An invitation. The token is kept nowhere. */
export interface Invited {
  readonly token: string;
  readonly addresses: readonly string[];
  readonly port: number;
  readonly expires: Date;
}

/**
 * Invites somebody: makes a token that lets one computer of his in, once.
 *
 * @param host what this computer is called, for people.
 * @throws {CardwireError} `E_NAME`, `E_STATE`, `E_DISK_FULL`, `E_LOCKED`, `E_ADDRESS`.
 */
export async function invite(store: Store, host: string, options: InviteOptions): Promise<Invited> {
  const { name, readers, profile, lifetimeMs } = options;
  checkIdentityName(name);
  const known = await knownPlace(store);
  if (known.organisation)
    throw new CardwireError("E_IDENTITY", "nobody is invited to this card host", {
      hint: "'cardwire serve' was told to take certificates of an organisation's (--ca) instead.",
    });
  const addresses = options.addresses ?? reachable(known.addresses);
  if (addresses.length === 0)
    throw new CardwireError(
      "E_ADDRESS",
      "nobody knows under which address others reach this computer",
      {
        hint: "Tell it: cardwire invite NAME --address HOST",
      },
    );
  const port = options.port ?? known.port;
  const { fingerprint } = await authorityFiles(store, host);
  const secret = randomBytes(TOKEN_SECRET_BYTES);
  const token = encodeToken({
    addresses,
    port,
    secret,
    fingerprint: Buffer.from(fingerprint, "hex"),
  });
  const hash = createHash("sha256").update(secret).digest("hex");
  const now = Date.now();
  const order = { name, secret: hash, readers, profile, expires: now + lifetimeMs };
  await store.change((register) => withInvitation(register, order, now));
  return { token, addresses, port, expires: new Date(order.expires) };
}
