import { statusWordOf } from "../../wire/iso7816/status-word.ts";
import type { CommandView } from "./command-view.ts";
import type { Seen } from "./need.ts";
import {
  isPlainSelect,
  isSelect,
  isSelectByName,
  selectionAfter,
  selfDescribed,
  staysInside,
} from "./select.ts";
import { ANY_APPLICATION, mayBe, type Selection } from "./selection.ts";

/** Who sent a command: any object that is the same for one session and no other. */
export type Sender = object;

/** A command of which parts have been sent, and not the last. */
interface Chain {
  readonly sender: Sender;
  readonly channel: number | undefined;
  readonly ins: number | undefined;
  readonly p1: number | undefined;
  readonly p2: number | undefined;
}

/** Whose answer GET RESPONSE would fetch. */
interface Answered {
  readonly sender: Sender;
  readonly channel: number | undefined;
  /** The SELECT whose answer it is, if it was one. */
  readonly select: SentSelect | undefined;
}

interface SentSelect {
  readonly command: CommandView;
  /** Whether the card has certainly read its name, and nothing before it. */
  readonly isSure: boolean;
}

/** What a command is to what was sent before it. */
export type Place =
  /** A command of its own, or the first part of one. */
  | "fresh"
  /** A further part of the sender's own command. */
  | "goes on"
  /** Another command where the next part of one was to come. */
  | "breaks in";

const SUCCESS = 0x9000;
/** SW1 that says how many bytes GET RESPONSE would fetch. */
const MORE_BYTES = 0x61;
const [MANAGE_CHANNEL, GET_RESPONSE] = [0x70, 0xc0] as const;
const CLOSES = 0x80;
/** Commands that carry other commands, or change which applications there are (ISO/IEC 7816-4, 11.8.2; GlobalPlatform 2.3, 11). */
const SHUFFLES: ReadonlySet<number> = new Set([0xc2, 0xc3, 0xe4, 0xe6, 0xe8, 0xf0, 0xfe]);

/**
 * The state of a card as far as what was sent to it tells: which application is selected on each logical channel, whether
 * a command in several parts is under way, and whose answer waits to be fetched. It is the card's, and so one for all
 * sessions on it. What is not certain is unknown.
 */
export class CardView {
  readonly #selected = new Map<number, Selection>();
  #chain: Chain | undefined;
  /** A card that refused a part may still keep the ones before it. */
  #mayKeepParts = false;
  #answered: Answered | undefined;

  /** What is selected where the command goes. */
  selectionFor({ channel }: CommandView): Selection {
    return (channel === undefined ? undefined : this.#selected.get(channel)) ?? ANY_APPLICATION;
  }

  /** What the command is to those before it. Many cards have one place for the parts, whatever the channel. */
  placeOf(command: CommandView, sender: Sender): Place {
    const chain = this.#chain;
    if (!chain) return "fresh";
    const isNext =
      chain.sender === sender &&
      chain.channel === command.channel &&
      chain.ins === command.ins &&
      chain.p1 === command.p1 &&
      chain.p2 === command.p2;
    return isNext ? "goes on" : "breaks in";
  }

  /** The command with what can be said of its data. */
  seen(command: CommandView): Seen {
    const isWhole = !this.#chain && !this.#mayKeepParts && !command.isChained;
    const isVisible = isWhole && command.isWellFormed && !command.isSecured;
    return {
      command,
      data: isVisible ? command.data : undefined,
      isBare: isVisible && command.isBare,
    };
  }

  /** Whether a GET RESPONSE fetches what the sender's own last command was answered with. */
  fetchesOwn({ channel }: CommandView, sender: Sender): boolean {
    return this.#answered?.sender === sender && this.#answered.channel === channel;
  }

  /** A command is on its way: what it may change is unknown from now on. */
  sending(command: CommandView, sender: Sender): void {
    if (command.kind === "reader") return; // the card does not see it
    const { channel, isChained, ins, p1, p2 } = command;
    if (this.placeOf(command, sender) === "breaks in") this.#mayKeepParts = true;
    this.#chain = isChained ? { sender, channel, ins, p1, p2 } : undefined;
    if (!isGetResponse(command)) this.#answered = undefined;
    if (mayShuffle(command)) this.#selected.clear();
    if (isSelect(command) && !staysInside(command) && channel !== undefined)
      this.#selected.delete(channel);
  }

  /** It was answered: SW1 SW2 stand last in `answer`. */
  answered(command: CommandView, answer: Uint8Array, sender: Sender): void {
    if (command.kind === "reader") return;
    const sw = statusWordOf(answer);
    const isDone = sw === SUCCESS || sw >> 8 === MORE_BYTES;
    const isFetched = isGetResponse(command);
    const select = isFetched ? this.#answered?.select : this.#selectIn(command);
    // In the pieces of an answer, the name stands in the first.
    this.#answered = { sender, channel: command.channel, select: isFetched ? undefined : select };
    if (!isDone && this.#chain) this.#mayKeepParts = true;
    if (!isDone) this.#chain = undefined;
    else if (!command.isChained) this.#learn(command, select, answer.subarray(0, -2));
    if (isDone && !command.isChained && !isFetched) this.#mayKeepParts = false;
  }

  /** Nobody knows whether the card ran what was sent, or what else it ran. */
  lost(): void {
    this.#selected.clear();
    this.#chain = undefined;
    this.#mayKeepParts = true;
    this.#answered = undefined;
  }

  /** The card was reset, or stands as it did: nobody else sent it anything. */
  mayBeReset(): void {
    const mayKeepParts = this.#mayKeepParts || this.#chain !== undefined;
    this.lost();
    this.#mayKeepParts = mayKeepParts;
  }

  /** The card was reset: it has its own choice selected on the basic channel, and the others are closed. */
  reset(): void {
    this.lost();
    this.#mayKeepParts = false;
  }

  #selectIn(command: CommandView): SentSelect | undefined {
    if (!isPlainSelect(command) || !isSelectByName(command)) return undefined;
    // The program's buffer is the program's.
    const kept = { ...command, data: command.data.slice() };
    return { command: kept, isSure: !this.#mayKeepParts };
  }

  #learn(command: CommandView, select: SentSelect | undefined, data: Uint8Array): void {
    const { channel } = command;
    if (channel === undefined) return;
    if (select) this.#selected.set(channel, selectionAfter(select.command, data, select));
    else if (isChannelCommand(command)) this.#open(command, data);
    const told = select || this.#mayKeepParts ? undefined : selfDescribed(command, data);
    if (told && mayBe(this.selectionFor(command), { bytes: told.aid, isPrefix: true }))
      this.#selected.set(channel, told);
  }

  /**
   * MANAGE CHANNEL (ISO/IEC 7816-4, 11.1.2): a channel that is opened from another than the basic one begins with what is
   * selected there, others with the card's own choice.
   */
  #open(command: CommandView, data: Uint8Array): void {
    const { p1, p2, channel = 0 } = command;
    if (p1 === CLOSES) {
      this.#selected.delete(p2 === 0 ? channel : (p2 ?? channel));
      return;
    }
    const opened = p2 === 0 ? data[0] : p2;
    if (opened === undefined) this.#selected.clear();
    else if (channel === 0) this.#selected.delete(opened);
    else this.#selected.set(opened, this.selectionFor(command));
  }
}

const isChannelCommand = ({ kind, ins, isSecured }: CommandView): boolean =>
  kind === "interindustry" && ins === MANAGE_CHANNEL && !isSecured;

const isGetResponse = ({ kind, ins }: CommandView): boolean =>
  kind === "interindustry" && ins === GET_RESPONSE;

/** Whether anything may be selected after it, anywhere. */
function mayShuffle({ kind, ins, isSecured, isWellFormed, channel }: CommandView): boolean {
  if (kind === "reader") return false;
  if (!isWellFormed || channel === undefined || ins === undefined || SHUFFLES.has(ins)) return true;
  const isSelecting = ins === 0xa4 || ins === MANAGE_CHANNEL;
  return isSelecting && (isSecured || kind !== "interindustry");
}
