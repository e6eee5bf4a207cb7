import { ProtocolError } from "../../domain/errors.ts";
import type { Infer, Struct } from "../struct.ts";
import { Command } from "./constants.ts";
import type { Dialect } from "./dialects.ts";
import {
  Attribute,
  Cancel,
  CardOnly,
  type Connect,
  Control,
  Dispose,
  Empty,
  EstablishContext,
  Event,
  Reconnect,
  ReleaseContext,
  Transmit,
  Version,
} from "./layouts.ts";

/** What a daemon sends back: the request's own struct, slot records, their number, the plug counter, or nothing yet. */
export type ReplyKind = "same" | "array" | "size" | "readerEvents" | "none" | "stop";

/** One exchange. Request and reply share a struct: the reply fills in what the request left at 0. */
export interface Call<T> {
  /** The PC/SC function or the message, for errors and logs. */
  readonly name: string;
  readonly layout: (dialect: Dialect) => Struct<T>;
  readonly reply: ReplyKind;
  /** Bytes that follow the struct in a request. The header's size does not count them. */
  readonly sends?: (request: T) => number;
  /** Bytes that follow the struct in a reply. */
  readonly answers?: (reply: T) => number;
  /** Bytes that a request uses of the buffer inside its struct. */
  readonly fills?: (request: T) => number;
  /** Bytes that a reply uses of it. */
  readonly filled?: (reply: T) => number;
}

const call = <T>(
  name: string,
  layout: Struct<T>,
  lengths: Pick<Call<T>, "sends" | "answers" | "fills" | "filled"> = {},
): Call<T> => ({ name, layout: () => layout, reply: "same", ...lengths });

const attribute = (name: string) =>
  call(name, Attribute, {
    fills: ({ length }) => length,
    filled: ({ rv, length }) => (rv === 0 ? length : 0),
  });

type Nothing = Readonly<Record<string, never>>;

const bare = (name: string, reply: ReplyKind): Call<Nothing> => ({
  name,
  layout: () => Empty,
  reply,
});

/** Up to 4:3 these two carry a time-out; no daemon looks at it. */
const wait = (name: string, reply: ReplyKind): Call<Partial<Infer<typeof Event>>> => ({
  name,
  layout: ({ waitHasBody }) => (waitHasBody ? Event : Empty),
  reply,
});

/** The protocol in one place. Client, server, tracer and fuzzer work from this table. */
export const calls = {
  [Command.EstablishContext]: call("SCardEstablishContext", EstablishContext),
  [Command.ReleaseContext]: call("SCardReleaseContext", ReleaseContext),
  [Command.Connect]: {
    name: "SCardConnect",
    layout: ({ connect }) => connect,
    reply: "same",
  } satisfies Call<Connect> as Call<Connect>,
  [Command.Reconnect]: call("SCardReconnect", Reconnect),
  [Command.Disconnect]: call("SCardDisconnect", Dispose),
  [Command.BeginTransaction]: call("SCardBeginTransaction", CardOnly),
  [Command.EndTransaction]: call("SCardEndTransaction", Dispose),
  [Command.Transmit]: call("SCardTransmit", Transmit, {
    sends: ({ sendLength }) => sendLength,
    answers: ({ rv, receiveLength }) => (rv === 0 ? receiveLength : 0),
  }),
  [Command.Control]: call("SCardControl", Control, {
    sends: ({ sendLength }) => sendLength,
    answers: ({ rv, returned }) => (rv === 0 ? returned : 0),
  }),
  [Command.Status]: call("SCardStatus", CardOnly),
  [Command.Cancel]: call("SCardCancel", Cancel),
  [Command.GetAttrib]: attribute("SCardGetAttrib"),
  [Command.SetAttrib]: attribute("SCardSetAttrib"),
  [Command.Version]: call("version", Version),
  [Command.GetReadersState]: bare("GET_READERS_STATE", "array"),
  [Command.WaitReaderStateChange]: wait("WAIT_READER_STATE_CHANGE", "none"),
  [Command.StopWaitingReaderStateChange]: wait("STOP_WAITING_READER_STATE_CHANGE", "stop"),
  [Command.GetReaderEvents]: bare("GET_READER_EVENTS", "readerEvents"),
  [Command.GetReadersStateSize]: bare("GET_READERS_STATE_SIZE", "size"),
  [Command.GetReadersStateArray]: bare("GET_READERS_STATE_ARRAY", "array"),
} as const;

type Calls = typeof calls;
/** The struct of a command's request and reply. */
export type Body<C extends Command> = {
  [K in C]: Calls[K] extends Call<infer T> ? T : never;
}[C];

/** Any request, told apart by `command`, so that a `switch` over it is checked for completeness. */
export type Request = {
  [C in Command]: { readonly command: C; readonly body: Body<C>; readonly payload: Uint8Array };
}[Command];

/** The one cast from the table's many layouts to "some layout". */
export const callOf = (command: number): Call<unknown> | undefined =>
  (calls as Readonly<Record<number, unknown>>)[command] as Call<unknown> | undefined;

/** What WAIT is answered with is a matter of the dialect; every other reply is a matter of the command. */
export const replyKind = (command: Command, { waitAnswersArray }: Dialect): ReplyKind =>
  command === Command.WaitReaderStateChange && waitAnswersArray ? "array" : calls[command].reply;

/** @throws {ProtocolError} when a message of `call` is about more bytes than `limit`. */
export function checkLength(
  { name }: Pick<Call<unknown>, "name">,
  verb: "announces" | "answers",
  length: number,
  limit: number,
): void {
  if (length > limit)
    throw new ProtocolError(`${name} ${verb} ${length} bytes; ${limit} is the limit`);
}
