import { isIPv6, type Socket } from "node:net";
import { oldestOfMost } from "../../domain/crowd.ts";

export interface WaitingRoomOptions {
  /** How many may wait at once; one more, and the one that waits longest from where most are has to go. */
  readonly most: number;
  /** How many from one address; one more, and that one has to go. */
  readonly mostEach: number;
  /** How long each may wait, ms. */
  readonly limitMs: number;
}

/** Is told who was sent away, and why. */
export type SentAway = (socket: Socket, reason: string) => void;

interface Waiting {
  readonly socket: Socket;
  readonly from: string;
  readonly timer: NodeJS.Timeout;
}

/** Those who connected and have not shown yet who they are: few, and not for long. */
export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  readonly #sentAway: SentAway;
  /** In the order in which they came. */
  readonly #waiting = new Map<Socket, Waiting>();

  constructor(options: WaitingRoomOptions, sentAway: SentAway = () => {}) {
    this.#options = options;
    this.#sentAway = sentAway;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** @returns false when it was sent away. */
  enter(socket: Socket): boolean {
    const { most, mostEach, limitMs } = this.#options;
    const from = networkOf(socket.remoteAddress ?? "");
    const same = [...this.#waiting.values()].filter((one) => one.from === from);
    if (same.length >= mostEach) {
      this.#sendAway(socket, "too many connections from there");
      return false;
    }
    if (this.#waiting.size >= most) {
      const all = [...this.#waiting.values()];
      const oldest = oldestOfMost(all.map((one) => [one.socket, one.from]));
      if (oldest) this.#sendAway(oldest, "too many connections");
    }
    const timer = setTimeout(() => this.#sendAway(socket, "it takes too long"), limitMs);
    timer.unref();
    this.#waiting.set(socket, { socket, from, timer });
    socket.once("close", () => this.leave(socket));
    return true;
  }

  /** It has shown who it is, or is gone. */
  leave(socket: Socket): void {
    clearTimeout(this.#waiting.get(socket)?.timer);
    this.#waiting.delete(socket);
  }

  #sendAway(socket: Socket, reason: string): void {
    this.#sentAway(socket, reason);
    socket.destroy();
    this.leave(socket);
  }

  /** Sends everybody away. */
  clear(): void {
    for (const socket of this.#waiting.keys()) socket.destroy();
  }
}

/** What one person can have as many addresses in as he likes: of IPv6 the first 64 bits, of IPv4 the address. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = plain.replace(/%.*$/, "").split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros =
    tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after].slice(0, 4).join(":");
}
