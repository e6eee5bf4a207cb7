import { writeFileSync } from "node:fs";
import { connect, Socket } from "node:net";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { parseArgs } from "node:util";
import type { LineOrder, LineState, LineStats } from "./delay-line.ts";

// The program that delay-line.ts gives to ssh as its ProxyCommand: a line of a given length between
// standard input and output and a TCP port. It obeys the controller on a Unix socket.

const { values } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string" },
    /** One way, ms. */
    delay: { type: "string" },
    control: { type: "string" },
    stats: { type: "string" },
  },
});

/** What may be under way in one direction, bytes; beyond it, the source is not read. */
const MAX_UNDER_WAY = 16 * 1024 * 1024;

/** What a throttled line carries each way, bytes a second: a bad day of a mobile telephone. */
const THROTTLED = 6_000;

/** How long before its time a chunk's timer fires, ms: Node's timers may be as late as that. */
const TIMER_SLACK_MS = 1.2;

interface Chunk {
  /** Undefined is the end of the stream, which takes as long as bytes do. */
  readonly bytes: Buffer | undefined;
  readonly due: number;
}

interface Manner {
  /** How long bytes are under way, ms. */
  readonly delayMs: number;
  readonly stalled: boolean;
  readonly throttled: boolean;
}

/** One direction: what goes in comes out in order, `delayMs` later. */
class Direction {
  readonly #from: Readable;
  readonly #to: Writable;
  readonly #delayMs: number;
  readonly #end: () => void;
  readonly #queue: Chunk[] = [];
  #underWay = 0;
  #waiting = false;
  #stalled: boolean;
  #throttled: boolean;
  /** When the next chunk may be passed on, of a throttled line. */
  #free = 0;
  bytes = 0;

  /** @param options.end passes the end of the stream on. */
  constructor(from: Readable, to: Writable, options: Manner & { readonly end: () => void }) {
    const { delayMs, stalled, throttled, end } = options;
    this.#end = end;
    this.#from = from;
    this.#to = to;
    this.#delayMs = delayMs;
    this.#stalled = stalled;
    this.#throttled = throttled;
    from.on("data", (chunk: Buffer) => {
      this.bytes += chunk.length;
      this.#underWay += chunk.length;
      if (this.#underWay > MAX_UNDER_WAY) from.pause();
      this.#take(chunk);
    });
    from.once("end", () => this.#take(undefined));
  }

  become({ stalled, throttled }: Omit<Manner, "delayMs">): void {
    this.#stalled = stalled;
    this.#throttled = throttled;
    this.#deliver();
  }

  #take(bytes: Buffer | undefined): void {
    this.#queue.push({ bytes, due: performance.now() + this.#delayMs });
    this.#deliver();
  }

  #deliver(): void {
    if (this.#waiting) return;
    for (;;) {
      const [next] = this.#queue;
      if (!next || this.#stalled) return;
      const now = performance.now();
      const left = Math.max(next.due, this.#throttled ? this.#free : 0) - now;
      if (left > 0) {
        this.#waiting = true;
        const again = (): void => {
          this.#waiting = false;
          this.#deliver();
        };
        // The last moment is spent looking at the clock: a late timer would lengthen the line.
        if (left > TIMER_SLACK_MS) setTimeout(again, left - TIMER_SLACK_MS);
        else setImmediate(again);
        return;
      }
      this.#queue.shift();
      if (next.bytes === undefined) {
        this.#end();
        continue;
      }
      this.#underWay -= next.bytes.length;
      this.#free = now + (next.bytes.length / THROTTLED) * 1_000;
      if (this.#from.isPaused() && this.#underWay <= MAX_UNDER_WAY) this.#from.resume();
      if (!this.#to.write(next.bytes)) {
        this.#waiting = true;
        this.#to.once("drain", () => {
          this.#waiting = false;
          this.#deliver();
        });
        return;
      }
    }
  }
}

const control = connect(values.control ?? "");
const orders = createInterface({ input: control });
let halfClose: (() => void) | undefined;
let directions: { readonly up: Direction; readonly down: Direction } | undefined;

const stats = (): LineStats => ({
  toServer: directions?.up.bytes ?? 0,
  toClient: directions?.down.bytes ?? 0,
});

/** Tells the controller the last figures, and ends everything at once. */
function finish(status: number): void {
  if (values.stats !== undefined) writeFileSync(values.stats, JSON.stringify(stats()));
  control.end(`${JSON.stringify(stats())}\n`, () => process.exit(status));
  // The controller may be gone, and then nobody takes the figures.
  setTimeout(() => process.exit(status), 200);
}

/** What a direction is like on a line that is in `state`. */
const manner = (state: LineState, direction: "up" | "down"): Manner => ({
  delayMs: Number(values.delay),
  stalled: state === "stall" || state === `deaf to ${direction === "up" ? "client" : "server"}`,
  throttled: state === "throttle",
});

function open(state: LineState): void {
  const { host, port } = values;
  const server = connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true });
  // Either end may go at any time; the line then goes as well, like a broken one.
  server.once("error", () => finish(255));
  // Not process.stdout, which blocks on a full pipe: with a frozen ssh, the line must still obey.
  const output = new Socket({ fd: 1, readable: false, writable: true });
  output.once("error", () => finish(255));
  server.once("close", () => finish(0));
  halfClose = () => server.end();
  directions = {
    up: new Direction(process.stdin, server, { ...manner(state, "up"), end: () => server.end() }),
    // Descriptor 1 is closed with the process only, and a server that hung up has nothing to hear either.
    down: new Direction(server, output, { ...manner(state, "down"), end: () => finish(0) }),
  };
}

// The first order says in which state the line is now; nothing moves before it.
orders.on("line", (line) => {
  const order = JSON.parse(line) as LineOrder;
  switch (order) {
    case "run":
    case "throttle":
    case "stall":
    case "deaf to client":
    case "deaf to server":
      if (directions) {
        directions.up.become(manner(order, "up"));
        directions.down.become(manner(order, "down"));
      } else open(order);
      break;
    case "half-close":
      halfClose?.();
      break;
    case "cut":
      finish(255);
      break;
    case "stats":
      control.write(`${JSON.stringify(stats())}\n`);
      break;
    default:
      throw new Error(`unknown order ${String(order satisfies never)}`);
  }
});
control.once("error", () => finish(255));
control.once("close", () => finish(255));
// ssh ends its ProxyCommand so.
for (const name of ["SIGHUP", "SIGTERM", "SIGINT"] as const) process.once(name, () => finish(0));
