import { seeded } from "../captures/random.ts";
import { readerNames } from "../lab/pcscd.ts";
import type { Book, OpenCard } from "./book.ts";
import {
  ATTRIBUTES,
  CARD_ATRS,
  COMMANDS,
  CONTROLS,
  DISPOSITIONS,
  IDIOMS,
  INITIALIZATIONS,
  KNOWN,
  PCIS,
  PROTOCOLS,
  ROOMS,
  SHARES,
  SLOTS,
  TIMEOUTS,
  type Weighted,
} from "./choices.ts";
import { type Call, CLIENTS, type Known, type Step } from "./step.ts";

// Chooses the next step from what is open, held and blocked, so that most calls meet something: another's transaction, a
// notice, a card that is gone. The same seed and the same outcomes make the same sequence.

const CONTEXTS = ["a", "b"] as const;
/** Handles of a context. */
const CARDS = 3;
/** One step in so many names a handle or context that is closed already. */
const WRONG_ONE_IN = 120;

export class Generator {
  readonly #random: () => number;
  readonly #clients: number;
  #client = 0;
  /** What each client is about to do with a card. */
  readonly #plans = new Map<number, Step[]>();

  constructor(seed: number, clients = CLIENTS) {
    this.#random = seeded(seed);
    this.#clients = clients;
  }

  /** How many steps the sequence has, before any is drawn. */
  length(): number {
    return 12 + Math.floor(this.#random() * 28);
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
      [2, { do: "die", client: this.#below(this.#clients) }],
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
    if (this.#random() < 0.4) this.#client = this.#below(this.#clients);
    const client = this.#client;
    const planned = this.#plans.get(client)?.shift();
    if (planned) return planned;
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
    if (wantsCard && this.#random() < 0.3) return this.#plan(card);
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

  /** Begins one of the idioms; the rest of it follows when it is this client's turn, if it can then be done. */
  #plan({ client, name: card }: OpenCard): Step | undefined {
    const steps = this.#pick(IDIOMS).map(([name, disposition]) => {
      const more = this.#argumentsOf(name);
      const isFixed = typeof disposition === "number";
      return call(client, name, { card, ...more, ...(isFixed && { disposition }) });
    });
    this.#plans.set(client, steps);
    return steps.shift();
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
    const client = this.#below(this.#clients);
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
