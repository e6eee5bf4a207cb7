import { timingSafeEqual } from "node:crypto";
import { type Answer, type Command, type Situation, Sw, wrongWithTriesLeft } from "./command.ts";
import type { Session } from "./session.ts";
import { isPin, type PivState, type Reference } from "./state.ts";

/** Key references of what a person knows (SP 800-73-4 part 1, table 4a). */
const GLOBAL_PIN = 0x00;
const PIN = 0x80;
const PUK = 0x81;

/** How VERIFY takes back what was verified. */
const LOG_OUT = 0xff;

const VALUE_BYTES = 8;

type Name = "pin" | "globalPin" | "puk";

const names: ReadonlyMap<number, Name> = new Map([
  [PIN, "pin"],
  [GLOBAL_PIN, "globalPin"],
  [PUK, "puk"],
]);

const withSecurity = (session: Session, name: Name, status: Session["pin"]): Session =>
  name === "puk" ? session : { ...session, [name]: status };

const withReference = (state: PivState, name: Name, value: Reference): PivState => ({
  ...state,
  [name]: value,
});

const restored = (reference: Reference, value = reference.value): Reference => ({
  value,
  tries: reference.tries,
  triesLeft: reference.tries,
});

/** One try less, and whoever was let in before is not any more. */
function wrong({ state, session }: Situation, name: Name, reference: Reference): Answer {
  const triesLeft = reference.triesLeft - 1;
  return {
    sw: wrongWithTriesLeft(triesLeft),
    state: withReference(state, name, { ...reference, triesLeft }),
    session: withSecurity(session, name, "no"),
  };
}

const isRight = (reference: Reference, value: Uint8Array): boolean =>
  value.length === reference.value.length && timingSafeEqual(value, reference.value);

/**
 * VERIFY (SP 800-73-4 part 2, 3.2.1). Eight bytes that cannot be a PIN cost a try, as the standard allows and YubiKeys do:
 * programs block a card on purpose with nothing but padding. Another length costs none.
 */
export const verify: Command = (situation, { p1, p2, data }) => {
  const { state, session } = situation;
  if (p1 !== 0 && p1 !== LOG_OUT) return { sw: Sw.WrongParameters };
  const name = names.get(p2);
  if (name === undefined || name === "puk") return { sw: Sw.ReferenceNotFound };
  const reference = state[name];
  if (!reference) return { sw: Sw.ReferenceNotFound };
  if (p1 === LOG_OUT) {
    if (data.length > 0) return { sw: Sw.WrongData };
    return { sw: Sw.Success, session: withSecurity(session, name, "no") };
  }
  if (data.length === 0) {
    if (session[name] !== "no") return { sw: Sw.Success };
    return reference.triesLeft === 0
      ? { sw: Sw.Blocked }
      : { sw: wrongWithTriesLeft(reference.triesLeft) };
  }
  if (reference.triesLeft === 0) return { sw: Sw.Blocked };
  if (data.length !== VALUE_BYTES) return { sw: Sw.WrongData };
  if (!isRight(reference, data)) return wrong(situation, name, reference);
  const isAllThere = reference.triesLeft === reference.tries;
  return {
    sw: Sw.Success,
    state: isAllThere ? state : withReference(state, name, restored(reference)),
    session: withSecurity(session, name, "just now"),
  };
};

/** CHANGE REFERENCE DATA (SP 800-73-4 part 2, 3.2.2): the old value, then the new one, which is looked at after it. */
export const changeReferenceData: Command = (situation, { p1, p2, data }) => {
  const { state, session } = situation;
  if (p1 !== 0) return { sw: Sw.WrongParameters };
  const name = names.get(p2);
  const reference = name === undefined ? undefined : state[name];
  if (name === undefined || !reference) return { sw: Sw.ReferenceNotFound };
  if (reference.triesLeft === 0) return { sw: Sw.Blocked };
  if (data.length !== 2 * VALUE_BYTES) return { sw: Sw.WrongData };
  const [old, next] = [data.subarray(0, VALUE_BYTES), data.slice(VALUE_BYTES)];
  if (!isRight(reference, old)) return wrong(situation, name, reference);
  if (name !== "puk" && !isPin(next)) return { sw: Sw.WrongData };
  return {
    sw: Sw.Success,
    state: withReference(state, name, restored(reference, next)),
    session: withSecurity(session, name, "verified"),
  };
};

/** RESET RETRY COUNTER (SP 800-73-4 part 2, 3.2.3): the PUK, then the new PIN. A wrong PUK ends what the PIN let in. */
export const resetRetryCounter: Command = (situation, { p1, p2, data }) => {
  const { state, session } = situation;
  if (p1 !== 0) return { sw: Sw.WrongParameters };
  if (p2 !== PIN) return { sw: Sw.ReferenceNotFound };
  if (state.puk.triesLeft === 0) return { sw: Sw.Blocked };
  if (data.length !== 2 * VALUE_BYTES) return { sw: Sw.WrongData };
  const [puk, pin] = [data.subarray(0, VALUE_BYTES), data.slice(VALUE_BYTES)];
  if (!isRight(state.puk, puk))
    return { ...wrong(situation, "puk", state.puk), session: withSecurity(session, "pin", "no") };
  if (!isPin(pin)) return { sw: Sw.WrongData };
  return {
    sw: Sw.Success,
    state: { ...state, puk: restored(state.puk), pin: restored(state.pin, pin) },
  };
};
