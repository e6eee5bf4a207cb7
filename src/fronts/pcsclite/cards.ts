import type { CardService, CardSession } from "../../domain/card-service.ts";
import { ProtocolError, ReturnCodeError } from "../../domain/errors.ts";
import type { Principal } from "../../domain/principal.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { Body } from "../../wire/pcsclite/calls.ts";
import { Command, MAX_ATTRIBUTE } from "../../wire/pcsclite/constants.ts";
import { encodeReply, type Reply, type Speech } from "../../wire/pcsclite/replies.ts";
import type { Numbers } from "./numbers.ts";

/** Handles of one context, as in pcscd (`-s`); one more is refused with SCARD_E_NO_MEMORY. */
const MAX_HANDLES = 200;

/** The requests that name a handle. */
export type CardRequest = {
  [C in CardCommand]: { readonly command: C; readonly body: Body<C>; readonly payload: Uint8Array };
}[CardCommand];
type CardCommand =
  | typeof Command.Reconnect
  | typeof Command.Disconnect
  | typeof Command.BeginTransaction
  | typeof Command.EndTransaction
  | typeof Command.Transmit
  | typeof Command.Control
  | typeof Command.Status
  | typeof Command.GetAttrib
  | typeof Command.SetAttrib;

const NOTHING = new Uint8Array(0);

/** One application's handles: their numbers, and each request on one carried out by its card session. */
export class Cards {
  readonly #service: CardService;
  readonly #numbers: Numbers;
  readonly #principal: Principal;
  readonly #signal: AbortSignal;
  readonly #sessions = new Map<
    number,
    { readonly reader: string; readonly session: CardSession }
  >();

  /** @param options.signal aborts when the application is gone. */
  constructor(
    service: CardService,
    options: { numbers: Numbers; principal: Principal; signal: AbortSignal },
  ) {
    this.#service = service;
    this.#numbers = options.numbers;
    this.#principal = options.principal;
    this.#signal = options.signal;
  }

  /** The readers that it has handles on. */
  get readers(): readonly string[] {
    return [...this.#sessions.values()].map(({ reader }) => reader);
  }

  /** SCardConnect: what to reply, whether it succeeds or not. */
  async connect(body: Body<typeof Command.Connect>): Promise<Body<typeof Command.Connect>> {
    try {
      return await this.#connect(body);
    } catch (error) {
      if (error instanceof ReturnCodeError) return { ...body, ...refusal(error) };
      throw error;
    }
  }

  /**
   * Carries out one request on a handle. @returns the bytes to reply, whether it succeeds or not.
   *
   * @throws {ProtocolError} when the handle is not this application's. pcscd takes that as hostile, and so do we.
   */
  async reply(request: CardRequest, speech: Speech): Promise<Uint8Array> {
    // The one cast: a command's request and reply share a struct, which a union of commands cannot express.
    const command = request.command as typeof Command.Status;
    try {
      const { body, payload } = await this.#call(request);
      return encodeReply(command, body as Body<typeof command>, speech, payload);
    } catch (error) {
      if (!(error instanceof ReturnCodeError)) throw error;
      const failed = { ...(request.body as Body<typeof command>), ...failure(request, error) };
      return encodeReply(command, failed, speech);
    }
  }

  async #connect(body: Body<typeof Command.Connect>): Promise<Body<typeof Command.Connect>> {
    if (this.#sessions.size >= MAX_HANDLES) throw new ReturnCodeError("SCardConnect", Rv.NoMemory);
    const { share, protocols } = body;
    const how = { share, protocols, principal: this.#principal };
    const { session, activeProtocol } = await this.#service.connect(body.reader, how, {
      signal: this.#signal,
    });
    if (this.#signal.aborted) {
      await session.abandon();
      throw new ReturnCodeError("SCardConnect", Rv.Cancelled);
    }
    const card = this.#numbers.take();
    this.#sessions.set(card, { reader: body.reader, session });
    return { ...body, card, activeProtocol, rv: Rv.Success };
  }

  async #call(request: CardRequest): Promise<Reply<CardRequest["body"]>> {
    const { card } = request.body;
    const session = this.#sessions.get(card)?.session;
    if (!session) throw new ProtocolError("a handle that is not this application's");
    switch (request.command) {
      case Command.Transmit:
        return await transmit(session, request.body, request.payload);
      case Command.BeginTransaction:
        await session.begin({ signal: this.#signal });
        break;
      case Command.EndTransaction:
        await session.end(request.body.disposition);
        break;
      case Command.Status:
        await session.status();
        break;
      case Command.Control:
        return await control(session, request.body, request.payload);
      case Command.GetAttrib:
        return await getAttribute(session, request.body);
      case Command.SetAttrib: {
        const { id, value, length } = request.body;
        await session.setAttribute(id, value.subarray(0, length));
        break;
      }
      case Command.Reconnect: {
        const { share, protocols, initialization } = request.body;
        const activeProtocol = await session.reconnect({ share, protocols }, initialization);
        return { body: { ...request.body, activeProtocol, rv: Rv.Success }, payload: NOTHING };
      }
      case Command.Disconnect:
        await session.disconnect(request.body.disposition);
        this.#sessions.delete(card);
        this.#numbers.free(card);
        break;
    }
    return { body: { ...request.body, rv: Rv.Success }, payload: NOTHING };
  }

  /** Ends every handle, as pcscd does when a context is released or its client dies. */
  async abandon(): Promise<void> {
    const sessions = [...this.#sessions];
    this.#sessions.clear();
    for (const [card] of sessions) this.#numbers.free(card);
    await Promise.all(sessions.map(([, { session }]) => session.abandon()));
  }
}

/** pcscd tells the protocol of a refused connect or reconnect too, where it came as far as to negotiate one. */
const refusal = ({ rv, told: { activeProtocol = 0 } }: ReturnCodeError) => ({ rv, activeProtocol });

/** What changes in the struct of a request that failed: pcscd sends the rest back as it came. */
function failure({ command, body }: CardRequest, error: ReturnCodeError): object {
  const { rv, told } = error;
  const length = told.length ?? 0;
  if (command === Command.Reconnect) return refusal(error);
  if (command === Command.Transmit)
    return { rv, receiveLength: rv === Rv.InsufficientBuffer ? length : 0 };
  if (command === Command.Control)
    return { rv, returned: rv === Rv.InsufficientBuffer ? length : body.returned };
  // A daemon that leaves the length alone sends back that of the whole buffer, which is not what the caller asked with.
  if (command === Command.GetAttrib)
    return { rv, length: (told.length ?? MAX_ATTRIBUTE) === MAX_ATTRIBUTE ? body.length : length };
  return { rv };
}

async function transmit(
  session: CardSession,
  body: Body<typeof Command.Transmit>,
  apdu: Uint8Array,
): Promise<Reply<typeof body>> {
  const pci = { send: body.sendProtocol, receive: body.receiveProtocol };
  const { data, receiveProtocol } = await session.transmit(apdu, pci);
  const isTooLong = data.length > body.receiveLength;
  const { card, sendProtocol, sendPciLength, sendLength, receivePciLength } = body;
  const reply = {
    card,
    sendProtocol,
    sendPciLength,
    sendLength,
    receiveProtocol,
    receivePciLength,
    receiveLength: data.length,
    rv: isTooLong ? Rv.InsufficientBuffer : Rv.Success,
  };
  // The card ran the command, but its answer is longer than the caller's buffer: it learns how long (section 1.4).
  return { body: reply, payload: isTooLong ? NOTHING : data };
}

async function control(
  session: CardSession,
  body: Body<typeof Command.Control>,
  data: Uint8Array,
): Promise<Reply<typeof body>> {
  const answer = await session.control(body.code, data);
  const returned = answer.length;
  if (returned > body.receiveLength)
    return { body: { ...body, returned, rv: Rv.InsufficientBuffer }, payload: NOTHING };
  return { body: { ...body, returned, rv: Rv.Success }, payload: answer };
}

async function getAttribute(
  session: CardSession,
  body: Body<typeof Command.GetAttrib>,
): Promise<Reply<typeof body>> {
  const value = await session.getAttribute(body.id);
  const length = value.length;
  if (length > body.length)
    return { body: { ...body, length, rv: Rv.InsufficientBuffer }, payload: NOTHING };
  return { body: { ...body, value, length, rv: Rv.Success }, payload: NOTHING };
}
