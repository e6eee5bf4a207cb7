import { fakeReader } from "../../src/testing/index.ts";
import { type Order, record, unused, words } from "../replay/bytes.ts";
import { Cmd, structSize } from "../replay/commands.ts";
import { Draw } from "./draw.ts";
import { HOSTILE_NUMBERS, mutate } from "./mutate.ts";
import { type RecordedConnection, recordedConnections } from "./recorded.ts";

// What a daemon may send to a client: one input for each seed.

/** A command whose reply is awaited, or one of the two answers with the reader states. */
export type Expected = number | "registered" | "uncounted";

export interface DaemonInput {
  readonly seed: number;
  readonly how: string;
  readonly order: Order;
  readonly minor: number;
  readonly expects: Expected;
  readonly bytes: Buffer;
}

/** Commands that are answered with their own struct. */
const STRUCTS = Object.values(Cmd).filter((command) => (structSize(command, 6) ?? 0) > 0);
const ATR = Buffer.from("3b80800101", "hex");
const names = ["Lab Reader 00 00", "x".repeat(127), "\u00e4\u20ac 00 01", "a\u{1f600} 00 00"];

let recorded: readonly RecordedConnection[] | undefined;

/** The input of a seed. */
export function daemonInput(seed: number): DaemonInput {
  const draw = new Draw(seed);
  const order: Order = draw.chance(0.6) ? "little" : "big";
  const about = { seed, order, minor: draw.pick([3, 4, 5, 6]) };
  const expects = draw.pick<Expected>([...STRUCTS, "registered", "registered", "uncounted"]);
  const kind = draw.below(100);
  if (kind < 10) {
    const bytes = draw.bytes(draw.pick([4, 12, 60, 400]));
    return { ...about, expects, how: "random", bytes };
  }
  if (kind < 30) {
    recorded ??= recordedConnections();
    const { file, order: as, received } = draw.pick(recorded);
    const from = received.length === 0 ? 0 : draw.below(received.length);
    const { bytes, how } = mutate(received.slice(from, from + 20), draw);
    return { ...about, order: as, expects, how: `${file} ${how}`, bytes };
  }
  const honest =
    typeof expects === "number"
      ? Array.from({ length: draw.between(1, 4) }, () => reply(draw, expects, about))
      : statesAnswer(draw, about);
  if (draw.chance(0.2)) return { ...about, expects, how: "valid", bytes: Buffer.concat(honest) };
  const { bytes, how } = mutate(honest, draw);
  return { ...about, expects, how, bytes };
}

/** A struct with hostile numbers in it, and as much behind it as it tells, or nearly. */
function reply(draw: Draw, command: number, { order }: { order: Order }): Buffer {
  const struct = Buffer.alloc(structSize(command, 6) ?? 0);
  for (let fields = draw.below(3); fields > 0; fields--)
    words(order, draw.pick(HOSTILE_NUMBERS)).copy(struct, draw.below(struct.length / 4) * 4);
  if (draw.chance(0.6)) words(order, 0).copy(struct, struct.length - 4);
  const at = command === Cmd.Transmit ? 24 : command === Cmd.Control ? 16 : undefined;
  if (at === undefined) return struct;
  const length = draw.pick([0, 2, 2, 33, 258, 258, 264, 1000, draw.pick([65_548, 65_549])]);
  words(order, length).copy(struct, at);
  return Buffer.concat([struct, Buffer.alloc(Math.max(0, length - draw.pick([0, 0, 0, 1])), 0x90)]);
}

/** The states, with the mark behind them that tells where they end (section 6.4), and now and then an event. */
function statesAnswer(draw: Draw, { order, minor }: { order: Order; minor: number }): Buffer[] {
  const slots = minor === 6 ? draw.pick([0, 1, 2, 4, 20, 256, 257]) : draw.pick([16, 16, 48]);
  const records = Array.from({ length: Math.min(slots, 256) }, () =>
    draw.chance(0.5) ? unused(order) : hostileRecord(draw, order),
  );
  const size = minor === 6 ? [words(order, slots)] : [];
  const event = words(order, 0, 0);
  const mark = words(order, 4, minor, draw.pick([0, 0, 0x8010001e]));
  const answer = [...size, ...records, mark];
  return draw.chance(0.3) ? answer.toSpliced(draw.below(answer.length + 1), 0, event) : answer;
}

function hostileRecord(draw: Draw, order: Order): Buffer {
  const made = record(
    order,
    fakeReader(draw.pick(names), { atr: ATR, eventCounter: draw.below(9) }),
  );
  if (draw.chance(0.3)) made.fill(draw.bytes(128), 0, 128); // no UTF-8, no NUL
  if (draw.chance(0.3)) words(order, draw.pick(HOSTILE_NUMBERS)).copy(made, 176); // the ATR's length
  if (draw.chance(0.2))
    words(order, draw.pick(HOSTILE_NUMBERS)).copy(made, 128 + draw.below(3) * 4);
  return made;
}
