import type { LinkState, Presence } from "./presence.ts";

/** How a link is now. */
export interface LinkFigures {
  readonly state: LinkState;
  /** The latest round trip, ms; undefined until one was measured. */
  readonly roundTripMs: number | undefined;
  /** How often a session went on after a break. */
  readonly resumptions: number;
  /** Calls without an answer so far. */
  readonly waiting: number;
  /** Frames that the other end may not have yet. */
  readonly unacknowledged: number;
}

export function figuresOf({ state, link, calls }: Presence): LinkFigures {
  return {
    state,
    roundTripMs: link?.end.roundTripMs,
    resumptions: link?.resumptions ?? 0,
    waiting: calls?.waiting ?? 0,
    unacknowledged: link?.end.unacknowledged ?? 0,
  };
}
