import { CardwireError, ProtocolError } from "../domain/errors.ts";
import { converseWith } from "../host/conversation.ts";
import { read } from "../wire/join/messages.ts";
import { ControlAnswer, type ControlRequest } from "./control-messages.ts";
import { knownPlace } from "./place.ts";
import { existingStore } from "./store.ts";

/** How long a running serve may take to answer, ms. A kick waits for a command that is under way. */
const ANSWER_MS = { attendance: 5_000, kick: 30_000 } as const;

type Done = Exclude<ControlAnswer, { code: string }>;

/**
 * Asks the running serve of this user.
 *
 * @returns undefined where none runs.
 * @throws {CardwireError} what it says, or that it does not answer: `E_NO_SERVE`.
 */
export async function askServe(request: ControlRequest): Promise<Done | undefined> {
  const { control } = await knownPlace(await existingStore());
  if (control === undefined) return undefined;
  const signal = AbortSignal.timeout(ANSWER_MS[request.do]);
  const conversation = await converseWith(control, { signal });
  if (!conversation) return undefined;
  await using said = conversation;
  const late = () => void said[Symbol.asyncDispose](); // never rejects; the loop below ends
  signal.addEventListener("abort", late, { once: true });
  said.say(request);
  for await (const message of said.heard) {
    const answer = read(ControlAnswer, message);
    if (!answer) throw new ProtocolError("the running serve is of another release");
    if ("code" in answer)
      throw new CardwireError(answer.code, answer.message, { hint: answer.hint });
    return answer;
  }
  throw new CardwireError("E_NO_SERVE", "the running serve does not answer", {
    hint: "Look at what it printed, and start it anew.",
  });
}
