import { type Leasing, withRenewal } from "../domain/leasing.ts";
import type { Allotment } from "./allotment.ts";

/** `inner`, as far as one identity's allotment goes: what is asked for counts like a call that goes to a card. */
export const allottedLeasing = (inner: Leasing, allotment: Allotment): Leasing => ({
  lease: async (reader, wish, { signal }) => {
    await allotment.pace({ isHolder: false, signal });
    const lease = await inner.lease(reader, wish, { signal });
    return withRenewal(lease, async (forMs) => {
      await allotment.pace({ isHolder: true, signal: lease.ended });
      await lease.renew(forMs);
    });
  },
});
