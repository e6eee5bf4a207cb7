import { isAbsolute } from "node:path";
import { CardwireError, ProtocolError } from "../domain/errors.ts";
import { SECRET_BYTES } from "../wire/link/layouts.ts";

// What an agent is told, and what it answers: a line of JSON each, on its standard input and output. Lines that login
// shells print around them are told apart by their beginning.

/** Longest line, bytes. */
export const MAX_LINE = 65_536;

/** Keep the readers of this computer ready for one attachment. */
export interface KeepOrder {
  readonly do: "keep";
  /** What whoever opens a session must present, 64 hexadecimal digits. */
  readonly secret: string;
  /** Where pcscd listens. */
  readonly pcscd: string;
  /** What the one who asks calls this computer, for messages. */
  readonly place: string;
  /** How long sessions outlive their connection, and transactions, ms. */
  readonly graceMs: number;
  readonly lockMs: number;
  /** See PcscdOptions. */
  readonly pipelining: boolean;
  readonly rememberFeatures: boolean;
  readonly keepWarm: boolean;
  /** Starts although pcscd cannot be reached. */
  readonly keepTrying: boolean;
}

/** Carry standard input and output to a keeper. */
export interface RelayOrder {
  readonly do: "relay";
  readonly socket: string;
}

export type Order = KeepOrder | RelayOrder;

/** A keeper runs, or is reached. */
export interface Kept {
  /** Where it listens; only its user gets there. */
  readonly socket: string;
  /** Of the cardwire that it is. */
  readonly version: string;
  /** Whether its host ends what a login leaves running. */
  readonly endsWithLogin: boolean;
}

/** Why there is none. */
interface Refused {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint?: string | undefined;
  };
}

const ORDER = "cardwire-order: ";
const ANSWER = "cardwire-agent: ";

export const orderLine = (order: Order): string => `${ORDER}${JSON.stringify(order)}\n`;

/** @throws {ProtocolError} when it is no order. */
export function parseOrder(line: string): Order {
  const order = contentOf(line, ORDER);
  if (!isRecord(order)) throw new ProtocolError("this is no order for an agent");
  if (order["do"] === "relay" && isPath(order["socket"]))
    return { do: "relay", socket: order["socket"] };
  const { secret, pcscd, place, graceMs, lockMs } = order;
  if (
    order["do"] !== "keep" ||
    typeof secret !== "string" ||
    !/^[0-9a-f]+$/.test(secret) ||
    secret.length !== 2 * SECRET_BYTES ||
    !isPath(pcscd) ||
    typeof place !== "string" ||
    !isDuration(graceMs) ||
    !isDuration(lockMs)
  )
    throw new ProtocolError("this agent does not understand its order");
  return {
    do: "keep",
    secret,
    pcscd,
    place,
    graceMs,
    lockMs,
    pipelining: order["pipelining"] !== false,
    rememberFeatures: order["rememberFeatures"] !== false,
    keepWarm: order["keepWarm"] === true,
    keepTrying: order["keepTrying"] === true,
  };
}

export const answerLine = (kept: Kept): string => `${ANSWER}${JSON.stringify(kept)}\n`;

/** What went wrong, so that the one who asked can say it. */
export function failureLine(error: unknown): string {
  const { code, message, hint } = CardwireError.is(error)
    ? error
    : new CardwireError("E_AGENT", error instanceof Error ? error.message : String(error));
  const refused: Refused = { error: { code, message, hint } };
  return `${ANSWER}${JSON.stringify(refused)}\n`;
}

/** Whether the line is an agent's, and not something that a login shell says. */
export const isAnswer = (line: string): boolean => line.startsWith(ANSWER);

/** @throws {CardwireError} what went wrong over there; `E_PROTOCOL` when it is no answer. */
export function parseAnswer(line: string): Kept {
  const answer = contentOf(line, ANSWER);
  if (!isRecord(answer)) throw new ProtocolError("this is no answer of an agent");
  const { error, socket, version } = answer;
  if (isRecord(error)) {
    const { code, message, hint } = error;
    if (typeof code === "string" && typeof message === "string")
      throw new CardwireError(code, message, typeof hint === "string" ? { hint } : {});
  }
  if (!isPath(socket) || typeof version !== "string")
    throw new ProtocolError("the agent answers what this cardwire does not understand");
  return { socket, version, endsWithLogin: answer["endsWithLogin"] === true };
}

function contentOf(line: string, mark: string): unknown {
  if (!line.startsWith(mark)) return undefined;
  try {
    return JSON.parse(line.slice(mark.length));
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const isPath = (value: unknown): value is string =>
  typeof value === "string" && isAbsolute(value) && !value.includes("\0");

/** A day at most. */
const isDuration = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= 86_400_000;
