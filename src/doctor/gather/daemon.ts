import type { Carrier } from "../../carriers/carrier.ts";
import { CardwireError } from "../../domain/errors.ts";
import { pcscdService } from "../../services/pcscd/service.ts";
import type { DaemonFacts } from "../judge/pcscd.ts";

/** How long a pcscd may take for its version, its readers and three exchanges, ms. */
const LIMIT_MS = 8_000;

const OPTIONS = { pipelining: true, rememberFeatures: true, keepWarm: false };

/** Talks to whatever is behind a carrier as to a pcscd. Never throws. */
export async function lookAtDaemon(
  carrier: Carrier,
  { signal }: { signal: AbortSignal },
): Promise<DaemonFacts> {
  const limit = AbortSignal.timeout(LIMIT_MS);
  const within = { signal: AbortSignal.any([signal, limit]) };
  try {
    await using service = await pcscdService(carrier, OPTIONS, within);
    const roundTripMs = await service.roundTrip(within);
    const { readers, traits } = service;
    return { state: "answers", protocol: `4:${traits?.minor}`, readers, roundTripMs };
  } catch (error) {
    return { state: within.signal.aborted ? "silent" : stateOf(error) };
  }
}

function stateOf(error: unknown): Exclude<DaemonFacts["state"], "answers"> {
  switch (CardwireError.is(error) ? error.code : "") {
    case "E_NO_PCSCD":
      return "nobody";
    case "E_SOCKET_DENIED":
      return "denied";
    case "E_PCSCD_REFUSED":
    case "E_PCSCD_GONE":
      return "hangs-up";
    default:
      return "stranger"; // E_PCSCD_VERSION, E_PROTOCOL: whatever it speaks, it is not for us
  }
}
