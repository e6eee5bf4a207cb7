import type { Book } from "./book.ts";
import { type Call, type Slot, State, type Step, type Watched } from "./step.ts";

// What steps may do to others, beside what they answer.

/** Whether what is said to be known of a reader includes who uses it, so that a change of that ends a wait. */
export function knowsSharing({ call, with: args }: Call): boolean {
  if (call !== "change") return false;
  return (args["readers"] as Watched).some(
    ([, known]) => known === "last" || (known & (State.InUse | State.Exclusive)) !== 0,
  );
}

/** Whether a step may change how many programs share a reader. */
export function changesSharing(step: Step): boolean {
  if (step.do !== "call") return step.do === "die";
  return ["connect", "reconnect", "disconnect", "release"].includes(step.call);
}

/**
 * Whether a step may let in somebody whose connect is blocked, while somebody waits to hear who uses a reader: between the
 * two nobody uses it, which cardwire shows and pcscd, that looks every 0.4 s, does not.
 */
export function maySwapUsers(step: Step, book: Book): boolean {
  const isAwaited = book.pending.some((one) => knowsSharing(one.step));
  const isBlocked = book.pending.some(
    ({ kind, step: { call } }) => kind === "lock" && call === "connect",
  );
  return isAwaited && isBlocked && changesSharing(step);
}

/** Whether a step may end what another call waits for. */
export function mayRelease(step: Step): boolean {
  if (step.do !== "call") return true;
  return ["end", "disconnect", "release", "reconnect", "cancel", "connect"].includes(step.call);
}

/**
 * Whether a step gives a lock up and resets the card, in that order, while others wait for the lock: whether these find
 * the card before or after the reset is chance.
 */
export function isContested(step: Step, slot: Slot, book: Book): boolean {
  const holder = book.holder(slot);
  if (!holder || book.blockedOn(slot).length === 0) return false;
  if (step.do === "die") return step.client === holder.client;
  if (step.do !== "call" || step.client !== holder.client) return false;
  if (step.call === "release") return step.with["context"] === holder.context;
  const isItsEnd = step.call === "disconnect" && step.with["card"] === holder.name;
  return isItsEnd && step.with["disposition"] !== 0;
}

/**
 * An exclusive reconnect that others are in the way of is repeated by libpcsclite every 100 ms, and resets the card each
 * time (protocol reference, section 5.5).
 */
export const resetsAgainAndAgain = (step: Step): boolean =>
  step.do === "call" &&
  step.call === "reconnect" &&
  step.with["share"] === 1 &&
  step.with["initialization"] !== 0;
