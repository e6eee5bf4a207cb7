import { createHmac, timingSafeEqual } from "node:crypto";

/** What somebody proves who comes back to a session, and what the other end proves in turn. */
export interface Claim {
  /** Who says it: neither end can be answered with its own words. */
  readonly by: "client" | "server";
  readonly session: Uint8Array;
  readonly attempt: number;
  readonly received: number;
}

/** HMAC-SHA-256 of a claim with the session's secret, 32 bytes. */
export function prove(secret: Uint8Array, { by, session, attempt, received }: Claim): Uint8Array {
  return createHmac("sha256", secret)
    .update(`cardwire link ${by} ${attempt} ${received} `)
    .update(session)
    .digest();
}

export const isProof = (proof: Uint8Array, secret: Uint8Array, claim: Claim): boolean =>
  timingSafeEqual(proof, prove(secret, claim));
