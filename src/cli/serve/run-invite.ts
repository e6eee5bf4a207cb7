import { hostname } from "node:os";
import { INVITATION_MS, type Invited, type InviteOptions, invite } from "../../serve/invite.ts";
import { hasServed } from "../../serve/place.ts";
import { openStore, type Store } from "../../serve/store.ts";
import { MAX_ADDRESSES } from "../../wire/join/token.ts";
import type { Io } from "../io.ts";
import { wrongUsage } from "../options.ts";

/** An invitation as a command line asks for it. */
export interface InvitationWish extends Omit<InviteOptions, "lifetimeMs"> {
  readonly lifetimeMs?: number | undefined;
}

export const inviteIn = (store: Store, wish: InvitationWish): Promise<Invited> =>
  invite(store, hostname(), { ...wish, lifetimeMs: wish.lifetimeMs ?? INVITATION_MS });

/** Of an invitation, in `--json`. */
export const invitedJson = (
  name: string,
  { token, addresses, port, expires }: Invited,
): object => ({
  name,
  token,
  addresses,
  port,
  expires: expires.toISOString(),
});

/** Invites somebody. The token stands alone on standard output. */
export async function runInvite(
  { json, ...wish }: InvitationWish & { readonly json: boolean },
  io: Io,
): Promise<void> {
  if ((wish.addresses?.length ?? 0) > MAX_ADDRESSES)
    throw wrongUsage(
      `a token has room for ${MAX_ADDRESSES} addresses`,
      "Give --address less often, the best first.",
    );
  const store = await openStore();
  const isFirst = !(await hasServed(store));
  const invited = await inviteIn(store, wish);
  if (isFirst)
    io.err(
      `No serve has run with ${store.path} yet: only one of this user's will know the token. If it runs as another user: sudo -u cardwire cardwire invite ${wish.name}`,
    );
  if (json) {
    io.out(JSON.stringify(invitedJson(wish.name, invited)));
    return;
  }
  io.out(invited.token);
  io.err(invitedText(wish.name, invited));
}

/** What is to be done with a token. */
export function invitedText(name: string, { addresses, port, expires }: Invited): string {
  const until = expires.toLocaleString("sv-SE", { timeZoneName: "short" });
  return [
    `It lets one computer of ${name}'s in, once, until ${until}: 'cardwire join' there asks for it.`,
    `Who has it comes in as ${name}: send it by a way that only ${name} reads.`,
    `It says that this computer is ${addresses.join(", ")}, port ${port}; --address says otherwise.`,
  ].join("\n");
}
