import { isAbsolute } from "node:path";
import { CardwireError, ProtocolError } from "../domain/errors.ts";
import { SECRET_BYTES } from "../wire/link/layouts.ts";

// What an agent is told, and what it answers: a line of JSON each, on its standard input and output. Lines that login
// shells print around them are told apart by their beginning.

/** Longest line, bytes. */
export const MAX_LINE = 65_536;

/** Longest reason that is taken from another computer, characters. */
const MAX_REFUSAL = 256;

interface SessionOrder {
  /** What whoever opens a session must present, 64 hexadecimal digits. */
  readonly secret: string;
  /** What the one who asks calls this computer, or himself, for messages. */
  readonly place: string;
  /** How long sessions outlive their connection, and transactions, ms. */
  readonly graceMs: number;
  readonly lockMs: number;
  /** See PcscdOptions and RemoteOptions. */
  readonly pipelining: boolean;
  readonly keepWarm: boolean;
}

/** Keep the readers of this computer ready for one attachment. */
export interface KeepOrder extends SessionOrder {
  readonly do: "keep";
  /** Where pcscd listens. */
  readonly pcscd: string;
  readonly rememberFeatures: boolean;
  /** Starts although pcscd cannot be reached. */
  readonly keepTrying: boolean;
}

/** Make the readers of the one who asks usable by programs of this computer. */
export interface LendOrder extends SessionOrder {
  readonly do: "lend";
  /** Of the attachment here. */
  readonly name: string;
  /** Where the socket goes; undefined: where an attachment of that name has it. */
  readonly path?: string | undefined;
  readonly mode: number;
  readonly group?: string | undefined;
  readonly prefetch: boolean;
  /** See PcscliteServerOptions. */
  readonly slots?: number | undefined;
  readonly first: readonly string[];
}

/** What a keeper is told. */
export type KeeperOrder = KeepOrder | LendOrder;

/** Carry standard input and output to a keeper. */
export interface RelayOrder {
  readonly do: "relay";
  readonly socket: string;
}

export type Order = KeeperOrder | RelayOrder;

/** A keeper runs, or is reached. */
export interface Kept {
  /** Where it listens; only its user gets there, or those whom a `cardwire serve` lets in. */
  readonly socket: string;
  /** `serve` when no keeper was started: a running `cardwire serve` has the readers, and knows its users by their accounts. */
  readonly by?: "serve" | undefined;
  /** Why a `cardwire serve` that runs there could not be joined. */
  readonly refusal?: string | undefined;
  /** Of the cardwire that it is. */
  readonly version: string;
  /** Whether its host ends what a login leaves running. */
  readonly endsWithLogin: boolean;
  /** Of one that lends: the socket of programs there. */
  readonly lent?: { readonly path: string; readonly closedDoor?: string | undefined } | undefined;
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
  const common = parseSession(order);
  const kept = order["do"] === "keep" ? parseKeep(order) : undefined;
  if (common && kept) return { ...common, ...kept };
  const lent = order["do"] === "lend" ? parseLend(order) : undefined;
  if (common && lent) return { ...common, ...lent };
  throw new ProtocolError("this agent does not understand its order");
}

type Fields = Readonly<Record<string, unknown>>;

function parseSession(order: Fields): SessionOrder | undefined {
  const { secret, place, graceMs, lockMs, pipelining, keepWarm } = order;
  const isSecret =
    typeof secret === "string" && /^[0-9a-f]+$/.test(secret) && secret.length === 2 * SECRET_BYTES;
  if (!isSecret || typeof place !== "string" || !isDuration(graceMs) || !isDuration(lockMs))
    return undefined;
  const flags = { pipelining: pipelining !== false, keepWarm: keepWarm === true };
  return { secret, place, graceMs, lockMs, ...flags };
}

function parseKeep(order: Fields): Omit<KeepOrder, keyof SessionOrder> | undefined {
  const { pcscd, rememberFeatures, keepTrying } = order;
  if (!isPath(pcscd)) return undefined;
  const flags = { rememberFeatures: rememberFeatures !== false, keepTrying: keepTrying === true };
  return { do: "keep", pcscd, ...flags };
}

function parseLend(order: Fields): Omit<LendOrder, keyof SessionOrder> | undefined {
  const { name, path, mode, group, prefetch, slots, first } = order;
  if (
    typeof name !== "string" ||
    (path !== undefined && !isPath(path)) ||
    !isMode(mode) ||
    (group !== undefined && typeof group !== "string") ||
    (slots !== undefined && slots !== 16 && slots !== 48) ||
    !Array.isArray(first) ||
    !first.every((glob) => typeof glob === "string")
  )
    return undefined;
  return { do: "lend", name, path, mode, group, prefetch: prefetch === true, slots, first };
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
      throw new CardwireError(
        code,
        shown(message),
        typeof hint === "string" ? { hint: shown(hint) } : {},
      );
  }
  if (!isPath(socket) || typeof version !== "string")
    throw new ProtocolError("the agent answers what this cardwire does not understand");
  const endsWithLogin = answer["endsWithLogin"] === true;
  const { by, refusal, lent } = answer;
  return {
    socket,
    version: shown(version),
    endsWithLogin,
    lent: parseLent(lent),
    ...(by === "serve" && { by }),
    ...(typeof refusal === "string" && { refusal: shown(refusal).slice(0, MAX_REFUSAL) }),
  };
}

function parseLent(lent: unknown): Kept["lent"] {
  if (!isRecord(lent) || !isPath(lent["path"])) return undefined;
  const { path, closedDoor } = lent;
  return { path, ...(typeof closedDoor === "string" && { closedDoor }) };
}

/** Words of another computer's, for a terminal here: hints have several lines. */
const shown = (text: string): string => text.replaceAll(/[^\P{C}\n]/gu, "?");

function contentOf(line: string, mark: string): unknown {
  if (!line.startsWith(mark)) return undefined;
  try {
    return JSON.parse(line.slice(mark.length));
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is Fields => typeof value === "object" && value !== null;

const isPath = (value: unknown): value is string =>
  typeof value === "string" && isAbsolute(value) && !value.includes("\0");

const isMode = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= 0o777;

/** A day at most. */
const isDuration = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= 86_400_000;
