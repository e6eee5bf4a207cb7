import { hostname } from "node:os";
import { INVITATION_MS, type Invited, type InviteOptions, invite } from "../../serve/invite.ts";
import { openStore, type Store } from "../../serve/store.ts";
import type { Io } from "../io.ts";

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
  const invited = await inviteIn(await openStore(), wish);
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
