import * as v from "valibot";

// What `cardwire lease` and the attachment that it asks say to each other, a line of JSON each.

const words = v.pipe(v.string(), v.maxLength(2_048));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** The first line of who wants a lease. */
export const LeaseRequest = v.object({
  /** A reader's name, or a glob that fits one. */
  lease: words,
  /** How long it is to last unless it is renewed, ms. */
  forMs: count,
  /** Waits for its turn. */
  wait: v.boolean(),
});
export type LeaseRequest = v.InferOutput<typeof LeaseRequest>;

/** It is to last so long from now on, ms. Who has enough of it says nothing more and hangs up. */
export const Renewal = v.object({ renew: count });
export type Renewal = v.InferOutput<typeof Renewal>;

const Waits = v.object({
  waits: v.object({ reader: words, ahead: count, holder: v.optional(words) }),
});
const Leased = v.object({ leased: v.object({ reader: words, fence: count, expiresAt: count }) });
const Over = v.object({
  over: v.object({ why: words, message: words, hint: v.optional(words) }),
});

/** What becomes of it: where it stands in the queue, that it was granted or renewed, that there is none or none any more. */
export const LeaseNews = v.union([Waits, Leased, Over]);
export type LeaseNews = v.InferOutput<typeof LeaseNews>;
