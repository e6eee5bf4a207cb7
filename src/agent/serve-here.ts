import { lstat } from "node:fs/promises";
import type { Socket } from "node:net";
import { userInfo } from "node:os";
import { firstSignal } from "../domain/first-signal.ts";
import { dial } from "../host/dial.ts";
import { errorCode } from "../host/error-code.ts";
import { serveSockets } from "../host/serve-socket.ts";
import { GREETING, REFUSAL } from "../link/greeting.ts";
import { readByte, readLine } from "./lines.ts";

/** How long a `cardwire serve` may take to greet, ms. */
const GREETING_MS = 2_000;
/** Longest reason that is passed on, characters. */
const MAX_REASON = 200;

/** What became of the attempt to join a `cardwire serve` of this computer. */
export type ServeHere =
  | { readonly socket: string }
  /** It runs, and why it is not for us, in words that follow "because". */
  | { readonly refusal: string };

/**
 * Looks for a running `cardwire serve` that lets this user in. It knows him by his account, so nothing is presented.
 *
 * @param sockets where it may listen, the best first.
 * @returns undefined where none runs. @throws the signal's reason.
 */
export async function serveHere(
  { signal }: { signal: AbortSignal },
  sockets?: readonly string[],
): Promise<ServeHere | undefined> {
  let refused: ServeHere | undefined;
  for (const socket of sockets ?? (await serveSockets())) {
    const refusal = await knock(socket, signal);
    if (refusal === undefined) return { socket };
    if (refusal !== NOBODY) refused ??= { refusal };
  }
  return refused;
}

/** Nobody listens there, or none who could be told from nobody. */
const NOBODY = "";

/** @returns why we do not get in; undefined when we do. @throws the signal's reason. */
async function knock(socket: string, signal: AbortSignal): Promise<string | undefined> {
  using within = firstSignal(signal, AbortSignal.timeout(GREETING_MS));
  let stream: Socket | undefined;
  try {
    stream = await dial(socket, within);
    const first = await readByte(stream, within);
    if (first === GREETING) return undefined;
    if (first !== REFUSAL) return "it does not answer";
    return (await readLine(stream, within))?.slice(0, MAX_REASON) || "it refuses";
  } catch (error) {
    signal.throwIfAborted();
    if (within.signal.aborted) return "it does not answer";
    if (errorCode(error) !== "EACCES" || !(await isThere(socket))) return NOBODY;
    return `it does not admit ${userInfo().username}`;
  } finally {
    stream?.destroy();
  }
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );
