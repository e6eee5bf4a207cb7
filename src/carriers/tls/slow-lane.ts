import { networkOf } from "./waiting-room.ts";

/** How long a network stays slowed down after its last excess, ms. */
const LASTS_MS = 10_000;
/** Between two handshakes with it, ms. */
const STEP_MS = 100;
/** So many networks are remembered. */
const MAX_NETWORKS = 4_096;

/**
 * Networks from which somebody came too often. A handshake costs the same whoever comes, and who it is shows only
 * afterwards: from there they begin one after the other.
 */
export class SlowLane {
  readonly #networks = new Map<string, { until: number; next: number }>();

  /** Slows the network of an address down, for a while. @param now in ms, never less than before. */
  slow(address: string, now: number = performance.now()): void {
    const network = networkOf(address);
    const next = this.#networks.get(network)?.next ?? now;
    this.#networks.delete(network);
    this.#networks.set(network, { until: now + LASTS_MS, next });
    for (const [oldest] of this.#networks) {
      if (this.#networks.size <= MAX_NETWORKS) break;
      this.#networks.delete(oldest);
    }
  }

  /** After how many ms the next handshake with an address may begin; its place is taken. */
  place(address: string, now: number = performance.now()): number {
    if (this.#networks.size === 0) return 0;
    const network = networkOf(address);
    const known = this.#networks.get(network);
    if (!known) return 0;
    if (known.until < now) {
      this.#networks.delete(network);
      return 0;
    }
    const at = Math.max(known.next, now);
    known.next = at + STEP_MS;
    return at - now;
  }
}
