import type { Reader } from "../../domain/card-service.ts";
import { type Lease, LeaseError, type LeaseWish } from "../../domain/leasing.ts";
import { Feature } from "../../link/versions.ts";
import { type Frame, type LeaseNewsType, Type } from "../../wire/link/frames.ts";
import { RemoteLease } from "./lease.ts";
import type { Presence } from "./presence.ts";

/** The leases at the other end of a link. They live as long as its session. */
export class RemoteLeases {
  readonly #host: { readonly readers: readonly Reader[] };
  readonly #presence: Presence;
  readonly #leases = new Map<number, RemoteLease>();
  #number = 0;

  constructor(host: { readonly readers: readonly Reader[] }, presence: Presence) {
    this.#host = host;
    this.#presence = presence;
  }

  /** See {@link Leasing.lease}. */
  async lease(
    reader: string,
    wish: LeaseWish,
    { signal }: { signal: AbortSignal },
  ): Promise<Lease> {
    signal.throwIfAborted();
    const isThere = await this.#presence.confirm({ signal });
    signal.throwIfAborted();
    const { link } = this.#presence;
    if (!isThere || !link)
      throw new LeaseError("refused", "there is no connection to the card host now");
    if ((link.granted.features & Feature.Leases) === 0)
      throw new LeaseError("not-offered", "the cardwire at the card host is older and has none", {
        hint: "Install the same release of cardwire at both ends.",
      });
    if (!this.#host.readers.some(({ name }) => name === reader))
      throw new LeaseError("unknown", `there is no reader ${JSON.stringify(reader)}`);
    this.#number = (this.#number % 0xffff_fffe) + 1;
    const number = this.#number;
    const lease = new RemoteLease(link.end, number, reader, wish);
    this.#leases.set(number, lease);
    await lease.granted({ signal });
    return lease;
  }

  /** The other end tells of one. Of those that were given up it may do so, too. */
  take({ type, body, tail }: Frame<LeaseNewsType>): void {
    const lease = this.#leases.get(body.lease);
    if (!lease) return;
    const words = Buffer.from(tail).toString("utf8");
    if (type === Type.Leased) lease.leased(body);
    else if (type === Type.Place) lease.waits(body, words);
    else {
      this.#leases.delete(body.lease);
      lease.isOver(body.reason, words);
    }
  }

  /** The session is over. */
  lost(): void {
    for (const lease of this.#leases.values())
      lease.end(new LeaseError("over", `the lease of ${lease.reader} is over: the link was lost`));
    this.#leases.clear();
  }
}
