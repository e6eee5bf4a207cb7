import type { Carrier, Line } from "../../src/carriers/carrier.ts";
import { CardwireError } from "../../src/domain/errors.ts";
import { Watchable } from "../../src/domain/watchable.ts";
import { dial } from "../../src/host/dial.ts";
import { errorCode } from "../../src/host/error-code.ts";
import type { ReplayDaemon } from "./daemon.ts";

/** The shortest way to a simulated daemon. It says of itself what the real ones say. */
export function carrierTo(daemon: ReplayDaemon): Carrier {
  return {
    name: "replay",
    line: new Watchable<Line>({ up: true }),
    async open({ signal }) {
      try {
        return await dial(daemon.path, { signal });
      } catch (cause) {
        signal.throwIfAborted();
        const code = errorCode(cause) === "ENOENT" ? "E_NO_PCSCD" : "E_PCSCD_GONE";
        throw new CardwireError(code, "nothing listens", { cause });
      }
    },
    explainSilence: async () => new CardwireError("E_PCSCD_REFUSED", "pcscd hangs up at once"),
    async [Symbol.asyncDispose]() {},
  };
}
