import type { Audit, AuditRecord } from "../audit/record.ts";
import { tellCommand, tellStatusWord } from "../audit/told-command.ts";
import type { CardService, CardSession } from "../domain/card-service.ts";
import { ReturnCodeError } from "../domain/errors.ts";
import { Rv } from "../domain/return-codes.ts";
import { ForwardingSession } from "./forwarding-session.ts";

/**
 * `inner`, as one identity uses it, with a record of what he does with cards: each handle, and each command by its
 * header and status word, never by its data.
 */
export function audited(inner: CardService, audit: Audit, identity: string): CardService {
  const cardIn = (reader: string): string | undefined => {
    const { atr } = inner.readers.find(({ name }) => name === reader) ?? {};
    return atr && Buffer.from(atr).toString("hex");
  };
  return {
    get readers() {
      return inner.readers;
    },
    watch: (options) => inner.watch(options),
    connect: async (reader, how, options) => {
      audit.admit();
      const about = () => ({ event: "connect", identity, reader, card: cardIn(reader) });
      try {
        const { session, activeProtocol } = await inner.connect(reader, how, options);
        const card = cardIn(reader);
        audit.note({ ...about(), share: how.share });
        return {
          session: new AuditedSession(session, audit, { identity, reader, card }),
          activeProtocol,
        };
      } catch (error) {
        if (isNews(error)) audit.note({ ...about(), share: how.share, result: resultOf(error) });
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

type Who = Pick<AuditRecord, "identity" | "reader" | "card">;

class AuditedSession extends ForwardingSession {
  readonly #audit: Audit;
  readonly #who: Who;
  readonly #since = performance.now();
  #commands = 0;
  #isOver = false;

  constructor(inner: CardSession, audit: Audit, who: Who) {
    super(inner);
    this.#audit = audit;
    this.#who = who;
  }

  override async transmit(
    apdu: Uint8Array,
    pci: { readonly send: number; readonly receive: number },
  ): Promise<{ readonly data: Uint8Array; readonly receiveProtocol: number }> {
    this.#audit.admit();
    const start = performance.now();
    this.#commands += 1;
    let answer: Awaited<ReturnType<CardSession["transmit"]>>;
    try {
      answer = await super.transmit(apdu, pci);
    } catch (error) {
      const about = { event: "command", ...this.#who, ...tellCommand(apdu) };
      if (isNews(error)) this.#audit.note({ ...about, result: resultOf(error), ms: since(start) });
      throw error;
    }
    const { identity, reader, card } = this.#who;
    const { command, header, sent } = tellCommand(apdu);
    // In one piece: this is done for each command, and to put it together from others costs several times as much.
    this.#audit.note({
      event: "command",
      identity,
      reader,
      card,
      command,
      header,
      sent,
      received: answer.data.length,
      sw: tellStatusWord(answer.data),
      ms: since(start),
    });
    return answer;
  }

  override async control(code: number, data: Uint8Array): Promise<Uint8Array> {
    this.#audit.admit();
    const start = performance.now();
    const about = {
      event: "control",
      ...this.#who,
      code: `0x${code.toString(16)}`,
      sent: data.length,
    };
    try {
      const answer = await super.control(code, data);
      this.#audit.note({ ...about, received: answer.length, ms: since(start) });
      return answer;
    } catch (error) {
      if (isNews(error)) this.#audit.note({ ...about, result: resultOf(error), ms: since(start) });
      throw error;
    }
  }

  override async disconnect(disposition: number): Promise<void> {
    await super.disconnect(disposition);
    this.#ends("disconnect");
  }

  override async abandon(): Promise<void> {
    await super.abandon();
    this.#ends("abandon");
  }

  #ends(event: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#audit.note({ event, ...this.#who, commands: this.#commands, ms: since(this.#since) });
  }
}

const since = (start: number): number => Math.round((performance.now() - start) * 1_000) / 1_000;

/** Whoever refuses because of too many has it on the record, once for all of them. */
const isNews = (error: unknown): boolean =>
  !(error instanceof ReturnCodeError && error.rv === Rv.ServerTooBusy);

const resultOf = (error: unknown): string =>
  error instanceof ReturnCodeError ? error.code : "failed";
