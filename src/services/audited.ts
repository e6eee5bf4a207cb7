import type { Audit, AuditRecord } from "../audit/record.ts";
import { tellCommand, tellStatusWord } from "../audit/told-command.ts";
import type { CardService, CardSession, ConnectOptions } from "../domain/card-service.ts";
import { ReturnCodeError } from "../domain/errors.ts";
import { Disposition } from "../domain/pcsc.ts";
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
      code: hexOf(code),
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

  override async setAttribute(id: number, value: Uint8Array): Promise<void> {
    this.#audit.admit();
    const about = { event: "attribute", ...this.#who, id: hexOf(id), sent: value.length };
    await this.#noted(about, () => super.setAttribute(id, value));
  }

  override async reconnect(
    how: Omit<ConnectOptions, "principal">,
    initialization: number,
  ): Promise<number> {
    const reconnect = () => super.reconnect(how, initialization);
    if (initialization === Disposition.Leave) return await reconnect();
    this.#audit.admit();
    return await this.#noted(this.#reset("reconnect", initialization), reconnect);
  }

  // What ends something is carried out though it cannot be recorded: others wait, and the card is left as he has it.

  override async end(disposition: number): Promise<void> {
    const start = performance.now();
    await super.end(disposition);
    if (disposition === Disposition.Leave) return;
    this.#audit.note({ ...this.#reset("end", disposition), ms: since(start) });
  }

  override async disconnect(disposition: number): Promise<void> {
    await super.disconnect(disposition);
    this.#ends("disconnect", disposition === Disposition.Leave ? undefined : nameOf(disposition));
  }

  override async abandon(): Promise<void> {
    await super.abandon();
    this.#ends("abandon");
  }

  #ends(event: string, disposition?: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const about = { event, ...this.#who, disposition };
    this.#audit.note({ ...about, commands: this.#commands, ms: since(this.#since) });
  }

  /** What befalls the card by something else than a command. */
  #reset(by: string, disposition: number): AuditRecord {
    return { event: "reset", ...this.#who, by, disposition: nameOf(disposition) };
  }

  async #noted<T>(about: AuditRecord, job: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      const done = await job();
      this.#audit.note({ ...about, ms: since(start) });
      return done;
    } catch (error) {
      if (isNews(error)) this.#audit.note({ ...about, result: resultOf(error), ms: since(start) });
      throw error;
    }
  }
}

const hexOf = (number: number): string => `0x${number.toString(16)}`;

const nameOf = (disposition: number): string =>
  Object.entries(Disposition)
    .find(([, value]) => value === disposition)?.[0]
    .toLowerCase() ?? String(disposition);

const since = (start: number): number => Math.round((performance.now() - start) * 1_000) / 1_000;

/** Whoever refuses because of too many has it on the record, once for all of them. */
const isNews = (error: unknown): boolean =>
  !(error instanceof ReturnCodeError && error.rv === Rv.ServerTooBusy);

const resultOf = (error: unknown): string =>
  error instanceof ReturnCodeError ? error.code : "failed";
