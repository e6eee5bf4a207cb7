import { seeded } from "../captures/random.ts";
import { atrs } from "../lab/card.ts";
import { readerNames } from "../lab/pcscd.ts";
import type { Book, OpenCard } from "./book.ts";
import { FEATURE_REQUEST } from "./compare.ts";
import { type Call, CLIENTS, INFINITE, type Known, type Slot, State, type Step } from "./step.ts";

// Chooses the next step from what is open, held and blocked, so that most calls meet something: another's transaction, a
// notice, a card that is gone. The same seed and the same outcomes make the same sequence.

const CONTEXTS = ["a", "b"] as const;
/** Handles of a context. */
const CARDS = 3;
/** One step in so many names a handle or context that is closed already. */
const WRONG_ONE_IN = 120;

/** Weighted choices. */
type Weighted<T> = readonly (readonly [weight: number, value: T])[];

const SHARES: Weighted<number> = [
  [76, 2],
  [10, 1],
  [12, 3],
  [2, 0],
];
const PROTOCOLS: Weighted<number> = [
  [72, 3],
  [8, 1],
  [8, 2],
  [5, 4],
  [3, 7],
  [3, 0],
  [1, 0x100],
];
const DISPOSITIONS: Weighted<number> = [
  [55, 0],
  [24, 1],
  [12, 2],
  [4, 3],
  [5, 7],
];
const INITIALIZATIONS: Weighted<number> = [
  [45, 0],
  [30, 1],
  [20, 2],
  [5, 3],
];
const CARD_ATRS: Weighted<string> = [
  [60, atrs.both],
  [20, atrs.t0],
  [20, atrs.t1],
];
const SLOTS: Weighted<Slot> = [
  [85, 0],
  [15, 1],
];

/** Commands of the test card: echo, a long answer, one through GET RESPONSE, verify, is-verified, unknown, broken. */
const COMMANDS: Weighted<string> = [
  [20, "80e000000401020304"],
  [8, "80e4012c"],
  [6, "80e40000004000"],
  [5, `80e000000003e8${"a5".repeat(1_000)}`],
  [6, "80e2002000"],
  [5, "00c0000020"],
  [12, "8020000000"],
  [14, "80ea000000"],
  [6, "00a4040000"],
  [3, "8099000000"],
  [2, "80e0"],
];
const ROOMS: Weighted<number | undefined> = [
  [88, undefined],
  [6, 1],
  [3, 0],
  [3, 258],
];
const PCIS: Weighted<number | undefined> = [
  [90, undefined],
  [4, 1],
  [4, 2],
  [2, 4],
];

/** ATR, vendor name, a card's presence, friendly and system name, and one that nobody has. */
const ATTRIBUTES: Weighted<number> = [
  [4, 0x0009_0303],
  [3, 0x0001_0100],
  [2, 0x0009_0300],
  [3, 0x7fff_0003],
  [2, 0x7fff_0004],
  [2, 0x0012_3456],
];
const CONTROLS: Weighted<number> = [
  [5, FEATURE_REQUEST],
  [3, 0x4200_0001],
  [1, 0],
];

const KNOWN: Weighted<Known> = [
  [20, 0],
  [25, "last"],
  [16, State.Present],
  [14, State.Empty],
  [8, State.Present | State.InUse],
  [6, State.Present | State.Exclusive],
  [3, State.Unavailable],
  [3, State.Ignore],
];
const TIMEOUTS: Weighted<number> = [
  [45, 0],
  [10, 60],
  [45, INFINITE],
];

export class Generator {
  readonly #random: () => number;
  #client = 0;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  /** How many steps the sequence has, before any is drawn. */
  length(): number {
    return 10 + Math.floor(this.#random() * 26);
  }

  /** A step that the book allows. */
  next(book: Book): Step {
    for (;;) {
      const step = this.#draw(book);
      if (step && book.allows(step)) return step;
    }
  }

  #draw(book: Book): Step | undefined {
    const event = this.#pick<Step | "call" | "wrong">([
      [100, "call"],
      [100 / WRONG_ONE_IN, "wrong"],
      [2, { do: "die", client: this.#below(CLIENTS) }],
      ...this.#plugs(book),
    ]);
    if (typeof event !== "string") return event;
    return event === "wrong" ? this.#wrong(book) : this.#call(book);
  }

  /** A card that is out is soon put in again. */
  #plugs(book: Book): Weighted<Step> {
    return ([0, 1] as const).map((slot) =>
      book.present[slot]
        ? [slot === 0 ? 5 : 1, { do: "pull", slot }]
        : [30, { do: "insert", slot, atr: this.#pick(CARD_ATRS) }],
    );
  }

  #call(book: Book): Step | undefined {
    // Programs make several calls before it is another's turn.
    if (this.#random() < 0.4) this.#client = this.#below(CLIENTS);
    const client = this.#client;
    const open = book.contexts(client, { open: true });
    const wanted = CONTEXTS[this.#random() < 0.75 ? 0 : 1];
    if (open.length === 0 || (!open.includes(wanted) && this.#random() < 0.1))
      return call(client, "establish", { context: wanted });
    const context = open.includes(wanted) ? wanted : (open[0] ?? wanted);
    if (book.isBusy(client, context))
      return this.#random() < 0.15 ? call(client, "cancel", { context }) : undefined;
    const cards = book.cards.filter(
      (card) => card.isOpen && card.client === client && card.context === context,
    );
    const [card] = cards.length === 0 ? [] : [cards[this.#below(cards.length)]];
    const wantsCard = card !== undefined && this.#random() < 0.85;
    return wantsCard ? this.#onCard(card) : this.#onContext({ client, context, has: cards.length });
  }

  #onContext({ client, context, has }: { client: number; context: string; has: number }): Call {
    const on = (name: string, more: Call["with"] = {}): Call =>
      call(client, name, { context, ...more });
    const choice = this.#pick([
      [has === 0 ? 60 : 25, "connect"],
      [25, "change"],
      [3, "list"],
      [2, "valid"],
      [1, "groups"],
      [4, "release"],
      [1, "cancel"],
    ]);
    if (choice === "connect")
      return on("connect", {
        card: `${context}${this.#below(CARDS)}`,
        reader: this.#random() < 0.02 ? "No such reader" : readerNames[this.#pick(SLOTS)],
        share: this.#pick(SHARES),
        protocols: this.#pick(PROTOCOLS),
      });
    if (choice === "change") return on("change", this.#watched());
    return on(choice);
  }

  #watched(): Call["with"] {
    const readers: [string, Known][] = [[readerNames[this.#pick(SLOTS)], this.#pick(KNOWN)]];
    if (this.#random() < 0.15) readers.push([readerNames[1], this.#pick(KNOWN)]);
    if (this.#random() < 0.1) readers.push(["pnp", this.#random() < 0.5 ? 0 : 0x2_0000]);
    if (this.#random() < 0.03) readers.push(["No such reader", 0]);
    return { readers, timeout: this.#pick(TIMEOUTS) };
  }

  #onCard({ client, name: card, depth, share, isToldOf }: OpenCard): Call {
    const on = (name: string, more: Call["with"] = {}): Call =>
      call(client, name, { card, ...more });
    const nested = share === 1 ? depth - 1 : depth;
    const choice = this.#pick([
      [nested > 0 ? 6 : 28, "begin"],
      [nested > 0 ? 40 : 10, "end"],
      [20, "transmit"],
      [13, "status"],
      [isToldOf ? 60 : 9, "reconnect"],
      [9, "disconnect"],
      [4, "control"],
      [3, "getattrib"],
      [1, "setattrib"],
    ]);
    return on(choice, this.#argumentsOf(choice));
  }

  #argumentsOf(choice: string): Call["with"] {
    if (choice === "transmit")
      return {
        apdu: this.#pick(COMMANDS),
        ...optional("room", this.#pick(ROOMS)),
        ...optional("pci", this.#pick(PCIS)),
      };
    if (choice === "end" || choice === "disconnect")
      return { disposition: this.#pick(DISPOSITIONS) };
    if (choice === "reconnect")
      return {
        share: this.#pick(SHARES),
        protocols: this.#pick(PROTOCOLS),
        initialization: this.#pick(INITIALIZATIONS),
      };
    if (choice === "control") return { code: this.#pick(CONTROLS) };
    if (choice === "getattrib")
      return { attribute: this.#pick(ATTRIBUTES), ...(this.#random() < 0.1 && { room: 2 }) };
    if (choice === "setattrib") return { attribute: this.#pick(ATTRIBUTES), value: "0102" };
    return {};
  }

  /** A call on something that was closed. */
  #wrong(book: Book): Step | undefined {
    const closed = book.cards.filter(({ isOpen }) => !isOpen);
    const card = closed[this.#below(closed.length)];
    if (card && this.#random() < 0.7) return this.#onCard(card);
    const client = this.#below(CLIENTS);
    const [context] = book.contexts(client, { open: false });
    if (context === undefined) return undefined;
    return call(
      client,
      this.#pick([
        [2, "list"],
        [1, "valid"],
        [1, "release"],
      ]),
      { context },
    );
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<const T>(choices: Weighted<T>): T {
    const sum = choices.reduce((total, [weight]) => total + weight, 0);
    let left = this.#random() * sum;
    for (const [weight, value] of choices) {
      left -= weight;
      if (left < 0) return value;
    }
    const last = choices.at(-1);
    if (!last) throw new RangeError("nothing to choose from");
    return last[1];
  }
}

const call = (client: number, name: string, args: Call["with"]): Call => ({
  do: "call",
  client,
  call: name,
  with: args,
});

const optional = (name: string, value: unknown): object =>
  value === undefined ? {} : { [name]: value };
