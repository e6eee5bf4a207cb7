import { setMaxListeners } from "node:events";
import { stat } from "node:fs/promises";
import type { Socket } from "node:net";
import { userInfo } from "node:os";
import { CardwireError } from "../domain/errors.ts";
import { firstSignal } from "../domain/first-signal.ts";
import { Watchable } from "../domain/watchable.ts";
import { dial } from "../host/dial.ts";
import { errorCode } from "../host/error-code.ts";
import { checkSocketPath } from "../host/socket-path.ts";
import type { Carrier, Line } from "./carrier.ts";
import { hangsUp } from "./hang-up.ts";
import { answersAgain, nobodyListens, notThere, refused, socketDenied } from "./pcscd-silence.ts";

/** How long pcscd may take to refuse a connection, ms: it asks polkit first. */
const REFUSAL_MS = 2_000;

/** Where pcscd listens on Linux since pcsc-lite 1.9.0. */
const PCSCD_SOCKET = "/run/pcscd/pcscd.comm";

/** What to do when a socket is missing that is not pcscd's. */
const OTHERS_SOCKET = `pcscd's own socket is ${PCSCD_SOCKET}; another, such as one of 'cardwire attach', is there only while what made it runs.`;

/** Part of every package of pcsc-lite that is built with polkit. */
const POLICY = "/usr/share/polkit-1/actions/org.debian.pcsc-lite.policy";

/**
 * A carrier to a Unix socket on this computer, such as pcscd's own. Its line is always up.
 *
 * Streams come with an `error` listener that does nothing; add your own to know why one ended.
 *
 * @param options.place what messages call this computer.
 * @throws {CardwireError} `E_SOCKET_PATH` when the path cannot be a socket's.
 */
export function unixCarrier(path: string, options: { readonly place?: string } = {}): Carrier {
  checkSocketPath(path);
  const place = { place: options.place ?? "this computer", socket: path };
  const hint = path === PCSCD_SOCKET ? undefined : OTHERS_SOCKET;
  const streams = new Set<Socket>();
  const closed = new AbortController();
  setMaxListeners(0, closed.signal); // as many as there are dials under way

  const explain = (cause: unknown): unknown => {
    switch (errorCode(cause) ?? "") {
      case "ENOENT":
      case "ENOTDIR":
        return notThere(place, { cause, ...(hint && { hint }) });
      case "ECONNREFUSED":
        return nobodyListens(place, { cause, ...(hint && { hint }) });
      case "EACCES":
      case "EPERM":
        return socketDenied(place, { cause });
      default:
        return cause;
    }
  };

  const open: Carrier["open"] = async ({ signal }) => {
    using either = firstSignal(signal, closed.signal);
    try {
      const stream = await dial(path, either);
      streams.add(stream);
      stream.once("close", () => streams.delete(stream));
      return stream;
    } catch (cause) {
      signal.throwIfAborted();
      throw explain(cause);
    }
  };

  return {
    name: `unix:${path}`,
    line: new Watchable<Line>({ up: true }),
    open,
    async explainSilence({ signal }) {
      try {
        const stream = await open({ signal });
        if (!(await hangsUp(stream, { limitMs: REFUSAL_MS, signal }))) return answersAgain(place);
        const { username, uid } = userInfo();
        const hasPolicy = await stat(POLICY).then(Boolean, () => false);
        return refused(place, { user: username, polkit: hasPolicy && uid !== 0 });
      } catch (cause) {
        if (CardwireError.is(cause)) return cause;
        return new CardwireError("E_PCSCD_GONE", `pcscd at ${path} cannot be reached`, { cause });
      }
    },
    async [Symbol.asyncDispose]() {
      closed.abort(new CardwireError("E_CLOSED", `the line to ${path} was closed`));
      for (const stream of streams) stream.destroy();
    },
  };
}
