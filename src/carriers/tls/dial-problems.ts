import { CardwireError } from "../../domain/errors.ts";
import { errorCode } from "../../host/error-code.ts";

const RUNNING = "Is 'cardwire serve' running there, and is its port open in the firewall?";

/** The system's words for a connection that there is not. */
const unreachable: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ECONNREFUSED: ["nobody listens there", RUNNING],
  ECONNRESET: ["it hung up", RUNNING],
  EPIPE: ["it hung up", RUNNING],
  ETIMEDOUT: ["it does not answer", RUNNING],
  EHOSTUNREACH: ["it cannot be reached", "Is that computer on, and this one in the right network?"],
  ENETUNREACH: ["there is no way there", "Is this computer in the right network?"],
  ENOTFOUND: [
    "the name is not known here",
    "An invitation with 'cardwire invite --address ADDRESS' does without names.",
  ],
  EAI_AGAIN: ["the name cannot be looked up now", "Is this computer in the right network?"],
};

/** Somebody answers who is not the one that is meant. */
export function somebodyElse(where: string, why: string, cause?: unknown): CardwireError {
  return new CardwireError("E_PEER", `${where} is not the card host that it should be: ${why}`, {
    cause,
    hint: "If that computer was set up anew, ask for another invitation. If not, somebody may be in between: tell whoever looks after it.",
  });
}

/** Why a connection to `where` cannot be made. Errors of ours stay as they are. */
export function explainDial(cause: unknown, where: string): CardwireError {
  if (CardwireError.is(cause) && cause.code !== "E_UNREACHABLE") return cause;
  const code = errorCode(cause) ?? "";
  if (CardwireError.is(cause) || code === "") {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new CardwireError("E_UNREACHABLE", `${where}: ${why}`, { cause, hint: RUNNING });
  }
  const known = unreachable[code];
  if (known)
    return new CardwireError("E_UNREACHABLE", `${where}: ${known[0]}`, { cause, hint: known[1] });
  // A certificate that TLS does not accept has a code of OpenSSL's, as does who speaks something else.
  return somebodyElse(where, code, cause);
}
