import { CardwireError } from "../domain/errors.ts";
import { SYSTEM_SOCKET } from "./system-socket.ts";

/**
 * Where programs with this environment find their readers.
 *
 * @throws {CardwireError} `E_SOCKET_PATH` when PCSCLITE_CSOCK_NAME is empty, or leads to another place from each directory.
 */
export function programsSocket(env: Readonly<Record<string, string | undefined>>): string {
  const path = env["PCSCLITE_CSOCK_NAME"] ?? SYSTEM_SOCKET;
  if (path.startsWith("/")) return path;
  const what = path === "" ? "is empty" : `is no absolute path: ${JSON.stringify(path)}`;
  throw new CardwireError("E_SOCKET_PATH", `PCSCLITE_CSOCK_NAME ${what}`, {
    hint: `Set it to a socket's path, as 'cardwire env' shows it; or unset it, for ${SYSTEM_SOCKET}.`,
  });
}
