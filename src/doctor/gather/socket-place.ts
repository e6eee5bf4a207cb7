import { stat } from "node:fs/promises";
import { unixCarrier } from "../../carriers/unix.ts";
import { dial } from "../../host/dial.ts";
import { errorCode } from "../../host/error-code.ts";
import { fitsSocketPath } from "../../host/socket-path.ts";
import type { SocketPlace } from "../judge/environment.ts";
import { lookAtDaemon } from "./daemon.ts";

/** How long whoever listens may take to accept, ms: a queue may be full. */
const ACCEPT_MS = 1_500;

/** Whether somebody accepts connections at a path, without a word being said. */
export async function lookAtSocket(
  path: string,
  { signal }: { signal: AbortSignal },
): Promise<SocketPlace> {
  if (!fitsSocketPath(path)) return "too-long";
  const found = await stat(path).catch((error: unknown) => errorCode(error));
  if (found === "EACCES") return "denied";
  if (typeof found !== "object") return "missing";
  if (!found.isSocket()) return "not-a-socket";
  const within = AbortSignal.any([signal, AbortSignal.timeout(ACCEPT_MS)]);
  try {
    (await dial(path, { signal: within })).destroy();
    return "answers";
  } catch (error) {
    const code = errorCode(error);
    if (code === "ECONNREFUSED") return "refused";
    if (code === "EACCES" || code === "EPERM") return "denied";
    return code === "ENOENT" ? "missing" : "silent";
  }
}

/** The same, and whether who accepts talks as pcscd does. */
export async function lookAtService(
  path: string,
  { signal }: { signal: AbortSignal },
): Promise<SocketPlace> {
  const place = await lookAtSocket(path, { signal });
  if (place !== "answers") return place;
  await using carrier = unixCarrier(path);
  const { state } = await lookAtDaemon(carrier, { signal });
  return state === "answers" ? "answers" : "silent";
}
