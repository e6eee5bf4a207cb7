import { CardwireError } from "../../domain/errors.ts";
import type { Conversation } from "../../host/conversation.ts";
import { read } from "../../wire/join/messages.ts";
import { LeaseNews, type LeaseRequest, type Renewal } from "../../wire/lease/messages.ts";

/** What is told of a lease while it is waited for and held. */
export type LeaseEvent =
  | {
      readonly event: "waiting";
      readonly reader: string;
      readonly ahead: number;
      readonly holder?: string | undefined;
    }
  | {
      readonly event: "leased";
      readonly reader: string;
      readonly fence: number;
      readonly expiresAt: number;
    }
  | { readonly event: "lost"; readonly reader: string; readonly reason: string };

/** A lease of this computer's attachment. It is renewed when a third of its time is left. Disposing it gives it back. */
export class HeldLease implements AsyncDisposable {
  readonly #conversation: Conversation;
  readonly #forMs: number;
  readonly #tell: (event: LeaseEvent) => void;
  readonly #listening: Promise<void>;
  readonly #reader: string;
  #renewal: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #isOver = false;

  /** Use {@link holdLease}. */
  constructor(
    conversation: Conversation,
    { reader, expiresAt }: { readonly reader: string; readonly expiresAt: number },
    { forMs, tell }: { readonly forMs: number; readonly tell: (event: LeaseEvent) => void },
  ) {
    this.#conversation = conversation;
    this.#reader = reader;
    this.#forMs = forMs;
    this.#tell = tell;
    this.#arm(expiresAt);
    this.#listening = this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    this.#conversation.finish();
    // The card is free for others when the attachment has hung up.
    const late = setTimeout(() => void this.#conversation[Symbol.asyncDispose](), RELEASE_MS);
    await this.#listening;
    clearTimeout(late);
    await this.#conversation[Symbol.asyncDispose]();
  }

  /** Never rejects. */
  async #listen(): Promise<void> {
    for await (const message of this.#conversation.heard) {
      const news = read(LeaseNews, message);
      if (this.#isOver || !news) continue;
      if ("leased" in news) this.#arm(news.leased.expiresAt);
      else if ("over" in news) this.#lose(news.over.message);
    }
    this.#lose("the attachment ended");
  }

  #arm(expiresAt: number): void {
    clearTimeout(this.#renewal);
    clearTimeout(this.#expiry);
    const leftMs = Math.max(0, expiresAt - Date.now());
    this.#renewal = setTimeout(
      () => this.#conversation.say({ renew: this.#forMs } satisfies Renewal),
      (leftMs * 2) / 3,
    );
    this.#expiry = setTimeout(() => this.#lose("it could not be renewed in time"), leftMs);
  }

  #lose(reason: string): void {
    if (this.#isOver) return;
    this.#end();
    this.#tell({ event: "lost", reader: this.#reader, reason });
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#renewal);
    clearTimeout(this.#expiry);
  }
}

/** How long the card host may take to hear that a lease is given back, ms. */
const RELEASE_MS = 2_000;

/**
 * Asks an attachment for a lease, and waits for it where that is wished.
 *
 * @param tell is told where it stands, that it is there, and whether it is lost.
 * @throws {CardwireError} `E_LEASE` why there is none, with what to do.
 */
export async function holdLease(
  conversation: Conversation,
  wish: LeaseRequest,
  { tell, signal }: { readonly tell: (event: LeaseEvent) => void; readonly signal: AbortSignal },
): Promise<HeldLease> {
  const abort = () => void conversation[Symbol.asyncDispose](); // never rejects; the loop below ends
  signal.addEventListener("abort", abort, { once: true });
  try {
    conversation.say(wish);
    for await (const message of conversation.heard) {
      const news = read(LeaseNews, message);
      if (!news) continue; // of another release
      if ("waits" in news) tell({ event: "waiting", ...news.waits });
      else if ("over" in news) throw refusal(news.over, wish);
      else {
        tell({ event: "leased", ...news.leased });
        return new HeldLease(conversation, news.leased, { forMs: wish.forMs, tell });
      }
    }
    signal.throwIfAborted();
    throw new CardwireError("E_NO_ATTACHMENT", "the attachment ended meanwhile");
  } catch (error) {
    await conversation[Symbol.asyncDispose]();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

const HINTS: Readonly<Record<string, string>> = {
  taken: "--wait waits for its turn.",
  "not-offered":
    "'cardwire serve' on the card host gives them, to those who attach as it invited them.",
};

function refusal(
  { why, message, hint }: Extract<LeaseNews, { over: unknown }>["over"],
  { lease }: LeaseRequest,
): CardwireError {
  const what = why === "not-offered" ? `a lease of ${lease}: ${message}` : message;
  return new CardwireError("E_LEASE", what, { hint: hint ?? HINTS[why] });
}
