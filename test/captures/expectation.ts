/** One message of a daemon: the struct of the command, slot records, their number, the plug counter, or an event. */
export type Message =
  | { readonly kind: "struct" | "size" | "readerEvents" | "event" | "stop" }
  | { readonly kind: "array"; readonly slots: number };

const CONNECT = 0x04;
const WAIT = 0x13;
const STOP = 0x14;
const GET_READER_EVENTS = 0x15;
const SIZE = 0x16;
const ARRAY = 0x17;
const FIXED_SLOTS = 16;

/**
 * What a daemon sends, in which order: written from the protocol reference alone (sections 1.3 and 3.3), so that it
 * can judge the code. It follows one connection of a well-behaved client.
 */
export class Expectation {
  #minor = 4;
  #slots = 0;
  /** A WAIT whose one message, event or STOP's reply, is still to come. */
  #registered = false;
  /** A registration that the daemon forgot to end. */
  #stale = false;
  /** What the client still fetches after a WAIT before it sits down and waits. */
  #fetch: readonly number[] = [];

  /** A VERSION exchange went well: both ends speak the older of their versions. */
  negotiated(asked: number, answered: number): void {
    this.#minor = Math.min(asked, answered);
  }

  /** Up to release 1.8.15 (of the dialects here: 4:2) a cancelled wait stays registered; section 6.1. */
  cancelled(): void {
    this.#stale = this.#minor === 2;
  }

  sizeIs(slots: number): void {
    this.#slots = slots;
  }

  /** Whether the daemon may still send an event when the client has nothing more to say. */
  get mayEnd(): "with an event" | "silently" {
    return this.#registered ? "with an event" : "silently";
  }

  /** The messages that a request brings, the event that must have come before it included. Take each before the next. */
  *messages(command: number): Generator<Message, void, undefined> {
    // Only the event ends a registration that the client does not end itself.
    if (this.#registered && command !== STOP && !this.#isFetch(command)) {
      this.#registered = false;
      yield { kind: "event" };
    }
    const reply = this.#reply(command);
    if (reply) yield reply;
    if (this.#stale && command === CONNECT) {
      this.#stale = false;
      yield { kind: "event" }; // the connect changes the sharing count, which is what was waited for
    }
  }

  #isFetch(command: number): boolean {
    const [next, ...rest] = this.#fetch;
    if (command === GET_READER_EVENTS) return this.#minor >= 5; // when the name of the PnP reader is in the list
    if (command !== next) return false;
    this.#fetch = rest;
    return true;
  }

  #reply(command: number): Message | undefined {
    switch (command) {
      case 0x12:
        return { kind: "array", slots: FIXED_SLOTS };
      case WAIT:
        this.#registered = true;
        this.#fetch = this.#minor >= 6 ? [SIZE, ARRAY] : [];
        return this.#minor === 4 || this.#minor === 5
          ? { kind: "array", slots: FIXED_SLOTS }
          : undefined;
      case STOP: {
        // Exactly one message for each registration: the reply, or the event that was faster.
        const answered = this.#registered;
        this.#registered = false;
        return answered ? { kind: "stop" } : undefined;
      }
      case GET_READER_EVENTS:
        return { kind: "readerEvents" };
      case SIZE:
        return { kind: "size" };
      case ARRAY:
        return { kind: "array", slots: this.#slots };
      default:
        return { kind: "struct" };
    }
  }
}
