import { join } from "node:path";
import { CardwireError, ProtocolError } from "../../domain/errors.ts";
import { type Lease, LeaseError } from "../../domain/leasing.ts";
import { untilAborted } from "../../domain/until-aborted.ts";
import { type Conversation, converseAt } from "../../host/conversation.ts";
import { read } from "../../wire/join/messages.ts";
import { type LeaseNews, LeaseRequest, Renewal } from "../../wire/lease/messages.ts";
import type { OpenReaders } from "../open.ts";
import { findReader } from "./find-reader.ts";

/** Where leases are asked for, in the directory of an attachment. */
export const LEASES = "lease";

/**
 * Gives this user's other processes leases of the readers, until it is disposed. A lease lives as long as the
 * conversation in which it was asked for.
 *
 * @param directory of ours, where the socket goes.
 * @throws {CardwireError} why there can be no socket.
 */
export async function giveLeases(
  directory: string,
  readers: OpenReaders,
): Promise<AsyncDisposable> {
  const life = new AbortController();
  const listening = await converseAt(join(directory, LEASES), async (conversation) => {
    const tell = (news: LeaseNews) => conversation.say(news);
    try {
      await giveLease(conversation, readers, { tell, life: life.signal });
    } catch (error) {
      tell({ over: told(error) });
    }
  });
  return {
    async [Symbol.asyncDispose]() {
      life.abort(new CardwireError("E_CLOSED", "the attachment ends"));
      await listening[Symbol.asyncDispose]();
    },
  };
}

/** @throws why there is no lease, or none any more. */
async function giveLease(
  conversation: Conversation,
  readers: OpenReaders,
  { tell, life }: { readonly tell: (news: LeaseNews) => void; readonly life: AbortSignal },
): Promise<void> {
  const { heard, gone } = conversation;
  const { lease: wanted, forMs, wait } = await firstOf(heard);
  const { source, inner, outer: reader } = findReader(readers, wanted);
  if (!source.leasing)
    throw new LeaseError("not-offered", `${source.source.text}: not offered without a serve there`);
  const onPlace = (place: { ahead: number; holder: string | undefined }) =>
    tell({ waits: { reader, ...place } });
  const wish = { forMs, wait, onPlace };
  const lease = await source.leasing.lease(inner, wish, { signal: gone });
  const { ended } = lease;
  const over = () => {
    tell({ over: told(ended.reason) });
    conversation.finish();
  };
  const tellLeased = ({ fence, expiresAt }: Lease) =>
    tell({ leased: { reader, fence, expiresAt } });
  try {
    tellLeased(lease);
    if (ended.aborted) over();
    else ended.addEventListener("abort", over, { once: true });
    for await (const message of heard) {
      const renewal = read(Renewal, message);
      if (!renewal) throw new ProtocolError("that is no renewal of a lease");
      const renew = async (): Promise<void> => {
        await lease.renew(renewal.renew);
        tellLeased(lease);
      };
      // Not waited for: who asks may die meanwhile.
      renew().catch(() => {}); // it is over, which is told above
    }
  } finally {
    ended.removeEventListener("abort", over);
    // Where the attachment ends, its link does as well, and the lease with it.
    await untilAborted(() => lease.release(), life).catch(() => {});
  }
}

async function firstOf(heard: AsyncIterable<unknown>): Promise<LeaseRequest> {
  for await (const message of heard) {
    const asked = read(LeaseRequest, message);
    if (asked) return asked;
    break;
  }
  throw new ProtocolError("that is no request for a lease");
}

/** What the one who asks is told of a failure. */
function told(error: unknown): Extract<LeaseNews, { over: unknown }>["over"] {
  const why = error instanceof LeaseError ? error.why : "refused";
  const message = error instanceof Error ? error.message : "something went wrong";
  const hint = CardwireError.is(error) ? error.hint : undefined;
  return { why, message: message.slice(0, 1_024), ...(hint !== undefined && { hint }) };
}
