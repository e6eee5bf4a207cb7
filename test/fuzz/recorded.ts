import { loadSession, orderOf, type Recorded, sessionFiles, unhex } from "../captures/load.ts";
import { type Order, words } from "../replay/bytes.ts";
import { CARD, CONTEXT } from "./marks.ts";
import { Rules } from "./rules.ts";

/** What one connection of a recording carried in each direction, write by write. */
export interface RecordedConnection {
  readonly file: string;
  readonly order: Order;
  /** Of the client's protocol: 2 to 6. */
  readonly minor: number;
  /** With {@link CONTEXT} and {@link CARD} in place of the numbers that were given then. */
  readonly sent: readonly Buffer[];
  readonly received: readonly Buffer[];
  /** Where in {@link sent} a card is connected to. */
  readonly connected: number | undefined;
}

const minorOf = (protocol: string): number => Number(/^4[.:](\d)/.exec(protocol)?.[1] ?? 4);

/** Every connection of every recorded session: real clients and daemons, in both byte orders and all dialects. */
export function recordedConnections(): readonly RecordedConnection[] {
  return sessionFiles.flatMap((file) => {
    const session = loadSession(file);
    const about = { file, order: orderOf(session), minor: minorOf(session.client.protocol) };
    const numbers = new Set(session.events.filter(({ dir }) => dir).map(({ conn = 1 }) => conn));
    return [...numbers].map((number) => {
      const own = session.events.filter(({ dir, conn = 1 }) => dir && conn === number);
      return { ...about, ...connectionOf(own, session.blobs, about.order) };
    });
  });
}

function connectionOf(
  events: readonly Recorded[],
  blobs: Readonly<Record<string, string>>,
  order: Order,
): Pick<RecordedConnection, "sent" | "received" | "connected"> {
  const rules = new Rules();
  const sent: Buffer[] = [];
  const received: Buffer[] = [];
  const known = new Map<string, Buffer>();
  let connected: number | undefined;
  for (const { dir, hex = "" } of events) {
    const bytes = Buffer.from(unhex(hex.startsWith("@") ? (blobs[hex.slice(1)] ?? "") : hex));
    if (dir === "C>S") {
      rules.sent(bytes);
      sent.push(marked(bytes, known));
      continue;
    }
    received.push(bytes);
    rules.replied(bytes);
    if (rules.context !== undefined) known.set(hexOf(order, rules.context), words(order, CONTEXT));
    for (const card of rules.handles) known.set(hexOf(order, card), words(order, CARD));
    if (rules.handles.size > 0) connected ??= sent.length;
  }
  return { sent, received, connected };
}

const hexOf = (order: Order, number: number): string => words(order, number).toString("hex");

/** Numbers stand in the first words of a struct, which is a write of its own or comes behind the header. */
function marked(bytes: Buffer, known: ReadonlyMap<string, Buffer>): Buffer {
  const copy = Buffer.from(bytes);
  for (const at of [0, 8]) known.get(copy.subarray(at, at + 4).toString("hex"))?.copy(copy, at);
  return copy;
}
