/** First wait before a broken line is tried again, ms. */
const FIRST_MS = 250;

/** Longest wait, ms: what a person accepts when the network is back. */
const LONGEST_MS = 30_000;

/**
 * Wait after the other side said no for good (authentication, host key), ms. fail2ban's default locks out for five
 * refusals in ten minutes; this makes four.
 */
export const AFTER_REFUSAL_MS = 160_000;

/** Part by which a wait varies either way, so that many who lost the same line do not come back in step. */
const JITTER = 0.25;

/**
 * How long to wait before try `attempt` (0 is the first), ms.
 *
 * @param random from 0 to 1.
 */
export function backOffMs(attempt: number, random: number): number {
  const plain = Math.min(FIRST_MS * 2 ** attempt, LONGEST_MS);
  return plain * (1 - JITTER + 2 * JITTER * random);
}
