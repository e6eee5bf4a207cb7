import { type Order, request, text, words } from "../replay/bytes.ts";
import { Cmd, structSize } from "../replay/commands.ts";
import { Draw } from "./draw.ts";
import { CARD, CONTEXT } from "./marks.ts";
import { HOSTILE_NUMBERS, mutate } from "./mutate.ts";
import { type RecordedConnection, recordedConnections } from "./recorded.ts";

// What a client may send to a server: one input for each seed.

/** The reader that hostile clients may have. Others are working with the first. */
export const HOSTILE_READER = "Virtual PCD 00 01";

/** What a client did, and was told, before the input begins. */
export type Prelude = "nothing" | "context" | "card";

export interface Input {
  readonly seed: number;
  /** How it was made, for reports. */
  readonly how: string;
  readonly order: Order;
  readonly minor: number;
  readonly prelude: Prelude;
  readonly bytes: Buffer;
}

/** Only what the test card answers at once; others of its commands take as long as they are told to. */
const INSTRUCTIONS = [0xe0, 0xe4, 0xe8, 0xea, 0x20];
const ALL_COMMANDS = Object.values(Cmd);
const NAMES = [
  HOSTILE_READER,
  HOSTILE_READER,
  "",
  "no such reader",
  "x".repeat(127),
  "\u00e4\u00f6",
];
/** Numbers that a request means well by: modes, protocols, dispositions, lengths. */
const SMALL = [0, 1, 2, 3];

let recorded: readonly RecordedConnection[] | undefined;

/** The input of a seed; the same for ever, as long as this file and the captures are. */
export function clientInput(seed: number): Input {
  const draw = new Draw(seed);
  const order: Order = draw.chance(0.7) ? "little" : "big";
  const minor = draw.pick([2, 3, 4, 4, 4, 5, 6, 6]);
  const about = { seed, order, minor };
  const kind = draw.below(100);
  if (kind < 8) return { ...about, how: "random", prelude: anyPrelude(draw), bytes: random(draw) };
  if (kind < 38) {
    const prelude = anyPrelude(draw);
    const bytes = Buffer.concat(
      Array.from({ length: draw.between(1, 6) }, () => hostileRequest(draw, about)),
    );
    return { ...about, how: "hostile fields", prelude, bytes };
  }
  if (kind < 70) {
    const prelude = anyPrelude(draw);
    const sequence = honestSequence(draw, about, prelude);
    if (draw.chance(0.2))
      return { ...about, how: "valid", prelude, bytes: Buffer.concat(sequence) };
    const { bytes, how } = mutate(sequence, draw);
    return { ...about, how: `sequence ${how}`, prelude, bytes };
  }
  if (kind < 97) {
    recorded ??= recordedConnections();
    const { file, order: as, minor: spoken, sent, connected } = draw.pick(recorded);
    const isLate = connected !== undefined && draw.chance(0.6);
    const { bytes, how } = mutate(sent.slice(isLate ? connected : 0), draw);
    const prelude = isLate ? "card" : "nothing";
    return { seed, order: as, minor: spoken, how: `${file} ${how}`, prelude, bytes };
  }
  return { ...about, how: "long", prelude: "card", bytes: long(draw, about) };
}

const anyPrelude = (draw: Draw): Prelude => draw.pick(["nothing", "context", "card", "card"]);

function random(draw: Draw): Buffer {
  if (draw.chance(0.1)) return Buffer.alloc(draw.below(3000), draw.below(256));
  return draw.bytes(draw.below(400));
}

interface Speech {
  readonly order: Order;
  readonly minor: number;
}

const sizeOf = (command: number, minor: number): number =>
  structSize(command, command === Cmd.Wait || command === Cmd.Stop ? minor : 6) ?? 0;

function apdu(draw: Draw): Buffer {
  if (draw.chance(0.1)) return draw.bytes(draw.pick([2, 4, 5, 300, 2000]));
  const data = draw.bytes(draw.below(40));
  const head = [0x80, draw.pick(INSTRUCTIONS), 0, draw.below(200), data.length];
  return Buffer.concat([Buffer.from(head), data]);
}

/** One request as a library makes it, on {@link CONTEXT} and {@link CARD}. */
export function honestRequest(draw: Draw, command: number, { order, minor }: Speech): Buffer {
  const w = (...values: readonly number[]) => words(order, ...values);
  const small = () => draw.pick(SMALL);
  const ask = (struct: Uint8Array, payload?: Uint8Array) =>
    request(order, command, struct, payload);
  switch (command) {
    case Cmd.Version:
      return ask(w(4, minor, 0));
    case Cmd.Establish:
      return ask(w(small(), 0, 0));
    case Cmd.Release:
    case Cmd.Cancel:
      return ask(w(CONTEXT, 0));
    case Cmd.Connect:
      return ask(
        Buffer.concat([
          w(CONTEXT),
          text(draw.pick(NAMES), 128),
          w(draw.pick([1, 2, 2, 3]), 3, 0, 0, 0),
        ]),
      );
    case Cmd.Reconnect:
      return ask(w(CARD, draw.pick([1, 2, 2, 3]), 3, small(), 0, 0));
    case Cmd.Disconnect:
    case Cmd.End:
      return ask(w(CARD, small(), 0));
    case Cmd.Begin:
    case Cmd.Status:
      return ask(w(CARD, 0));
    case Cmd.Transmit: {
      const sent = apdu(draw);
      return ask(w(CARD, 2, 16, sent.length, 3, 16, draw.pick([2, 258, 65_548]), 0), sent);
    }
    case Cmd.Control: {
      const sent = draw.bytes(draw.below(20));
      return ask(w(CARD, 0x42000d48, sent.length, 264, 0, 0), sent);
    }
    case Cmd.GetAttrib:
    case Cmd.SetAttrib:
      return ask(
        Buffer.concat([w(CARD, draw.pick([0x90303, 0x7fff0003, 1])), Buffer.alloc(264), w(264, 0)]),
      );
    default:
      return ask(Buffer.alloc(sizeOf(command, minor)));
  }
}

/** Header, struct and payload of which some words are not what they should be. */
function hostileRequest(draw: Draw, speech: Speech): Buffer {
  const { order } = speech;
  const command = draw.pick(ALL_COMMANDS);
  const made = honestRequest(draw, command, speech);
  const spoil = (at: number, value: number) => words(order, value).copy(made, at);
  if (draw.chance(0.1)) spoil(0, draw.pick(HOSTILE_NUMBERS));
  if (draw.chance(0.05)) spoil(4, draw.pick(HOSTILE_NUMBERS));
  const fixed = sizeOf(command, speech.minor);
  for (let fields = fixed >= 4 ? draw.below(3) : 0; fields > 0; fields--)
    spoil(8 + draw.below(fixed / 4) * 4, draw.pick(HOSTILE_NUMBERS));
  if (command === Cmd.Connect && draw.chance(0.2)) made.fill(0xff, 12, 140); // a name without its NUL
  return made;
}

/** What a program sends from its first call to its last, in no sensible order. */
function honestSequence(draw: Draw, speech: Speech, prelude: Prelude): Buffer[] {
  const begin = prelude === "nothing" ? [Cmd.Version, Cmd.Establish] : [];
  const connect = prelude === "card" ? [] : [Cmd.Connect];
  const middle = Array.from({ length: draw.between(1, 10) }, () => draw.pick(ALL_COMMANDS));
  return [...begin, ...connect, ...middle].map((command) => honestRequest(draw, command, speech));
}

/** Much at once: long payloads around the limit, or many requests whose answers nobody awaits. */
function long(draw: Draw, { order, minor }: Speech): Buffer {
  const many = draw.pick([Cmd.Readers, Cmd.Array, Cmd.Wait, Cmd.Status, Cmd.Version]);
  if (draw.chance(0.5)) {
    const one = honestRequest(draw, many, { order, minor });
    return Buffer.concat(Array.from({ length: draw.between(50, 400) }, () => one));
  }
  const length = draw.pick([65_535, 65_548, 65_549, 100_000]);
  const struct = words(order, CARD, 2, 16, length, 3, 16, 65_548, 0);
  return request(order, Cmd.Transmit, struct, Buffer.alloc(length, 0x80));
}
