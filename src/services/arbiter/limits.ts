/** How long one may keep others waiting, ms; 0 for any time. */
export interface ArbiterLimits {
  /** A transaction in which no command is sent. */
  readonly idleMs: number;
  /** A transaction, whatever is done in it. A command under way is not cut short. */
  readonly totalMs: number;
  /** A connect that waits for its turn. */
  readonly connectMs: number;
  /** Calls of one identity that wait for one card, at most. */
  readonly waiting: number;
  /** Handles of one identity, at most. */
  readonly sessions: number;
}

/** Enough for somebody who looks for his PIN; not for one who went to lunch. */
export const DEFAULT_LIMITS: ArbiterLimits = {
  idleMs: 60_000,
  totalMs: 600_000,
  connectMs: 300_000,
  waiting: 256,
  sessions: 1_000,
};
