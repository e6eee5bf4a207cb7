import { readerNames } from "../lab/pcscd.ts";
import type { Outcome } from "../pcsc/client.ts";
import { type Call, State, type Watched } from "./step.ts";

// When two outcomes of the same call are the same. What is let pass is what ARCHITECTURE.md says that an application can
// tell, and what pcscd does not do the same way twice.

/** Where an outcome was had. */
export interface Seen {
  readonly outcome: Outcome;
  /** The event counters of the world's readers when the sequence began. */
  readonly counters: readonly number[];
}

export interface Circumstances {
  /** Whether pcscd has had the time to notice how many programs share each reader, which it does up to 0.4 s late. */
  readonly sharingIsSettled: boolean;
}

/** The feature query, whose answer cardwire remembers. */
export const FEATURE_REQUEST = 0x4200_0d48;

const OK = "0x00000000";
/** What pcscd says of an attribute that the driver does not have, and of the reader's name, whose room it mistakes then. */
const NO_ATTRIBUTE = new Set(["0x8010001f", "0x80100008"]);
const INSUFFICIENT_BUFFER = "0x80100008";
const SHARING_VIOLATION = "0x8010000b";

/** The outcome without what belongs to one world, as text. */
export function normalized(
  step: Call,
  { outcome, counters }: Seen,
  { sharingIsSettled }: Circumstances,
): string {
  const { ms: _ms, ...told } = outcome;
  if (step.call === "status" && "counter" in told) {
    const slot = readerNames.indexOf(told["reader"] as (typeof readerNames)[number]);
    return JSON.stringify({ ...told, counter: since(Number(told["counter"]), counters[slot]) });
  }
  if (step.call !== "change") return JSON.stringify(told);
  const watched = step.with["readers"] as Watched;
  const states = told["states"] as readonly Record<string, unknown>[];
  const shown = states.map((state, at) => {
    const slot = readerNames.indexOf(watched[at]?.[0] as (typeof readerNames)[number]);
    const event = Number(state["event"]);
    return {
      ...state,
      event: sharingIsSettled ? event : event & ~(State.InUse | State.Exclusive),
      // The counter is told only where a state is.
      ...(slot >= 0 && event !== 0 && { counter: since(Number(state["counter"]), counters[slot]) }),
    };
  });
  return JSON.stringify({ ...told, states: shown });
}

const since = (counter: number, start = 0): number => (counter - start) & 0xffff;

/** Whether software readers differ here from pcscd with vpcd, and mean to: they have attributes, of which vpcd has none. */
export const isReaders = (step: Call, [direct]: readonly [Outcome, Outcome]): boolean =>
  step.call === "getattrib" && NO_ATTRIBUTE.has(direct.rv);

/** Whether cardwire differs here, and means to: docs/compatibility.md, "Where cardwire differs from pcscd". */
export function isIntended(step: Call, [direct, through]: readonly [Outcome, Outcome]): boolean {
  // The feature query is answered from memory, also while another program has the card.
  return (
    step.call === "control" &&
    step.with["code"] === FEATURE_REQUEST &&
    direct.rv === SHARING_VIOLATION &&
    through.rv !== SHARING_VIOLATION
  );
}

/** The same of a serve, which has whoever wants the card wait for his turn: what pcscd refuses at once is refused then. */
export const isServed: typeof isIntended = (step, outcomes) => {
  const [direct, through] = outcomes;
  return (
    isIntended(step, outcomes) ||
    (through.rv === BLOCKED && direct.rv !== BLOCKED && !succeeded(direct))
  );
};

/** In the place of a return code: there is none yet. */
export const BLOCKED = "blocked";

/** Whether the card may have announced more: SW1 61, which a program with too little room for it is not shown. */
export const mayAnnounce = (step: Call, { rv, ...told }: Outcome): boolean =>
  step.call === "transmit" && (rv === INSUFFICIENT_BUFFER || /61..$/.test(String(told["answer"])));

export const succeeded = ({ rv }: Outcome): boolean => rv === OK;
