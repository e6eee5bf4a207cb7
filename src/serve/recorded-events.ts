import type { Audit } from "../audit/record.ts";
import { listen } from "../observe/events.ts";
import type { ArbiterEvent } from "../services/arbiter/events.ts";
import type { Policy } from "../services/policy/policy.ts";
import type { Refusal } from "../services/policy/refusal.ts";
import type { SerialEvent } from "../services/serials/serials.ts";
import { Bursts } from "./bursts.ts";

const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000;

/** What the arbiter decides, for the record; the rules forget what was selected on a card that it reset. */
export const recordDecisions = (audit: Audit, policy: () => Policy) => {
  const bursts = new Bursts();
  return (event: ArbiterEvent): void => {
    const { type, ...about } = event;
    // Many refusals of one kind are one.
    if (event.type === "refused" && !bursts.begins(JSON.stringify(event))) return;
    if (type === "hand-over" || type === "taken") policy().cardWasReset(event.reader);
    const times = Object.entries(about).map(([name, value]) =>
      typeof value === "number" && /ms$/i.test(name) ? [name, rounded(value)] : [name, value],
    );
    audit.note({ event: type, ...(Object.fromEntries(times) as typeof about) });
  };
};

/** Which serial number a card told, or why none is known, for the record. */
export const recordSerials =
  (audit: Audit) =>
  ({ atr, ms, ...about }: SerialEvent): void => {
    const card = atr && Buffer.from(atr).toString("hex");
    audit.note({ event: "serial", card, ...about, ms: rounded(ms) });
  };

/** What the rules refuse, for the record. */
export const recordRefusals =
  (audit: Audit) =>
  ({ header, code, ...about }: Refusal): void => {
    const bytes = header && Buffer.from([header.cla, header.ins, header.p1, header.p2]);
    audit.note({
      event: "refused",
      ...about,
      header: bytes?.toString("hex"),
      code: code === undefined ? undefined : `0x${code.toString(16)}`,
    });
  };

/** Who comes and goes, who is not let in, and who wants more than he may, for the record, until it is disposed. */
export function recordVisitors(audit: Audit): Disposable {
  const events = { came: "link", left: "link-ended", joined: "enrolment", renewed: "enrolment" };
  const visitors = listen("cardwire:visitor", ({ what, ...about }) => {
    const event = what in events ? events[what as keyof typeof events] : what;
    audit.note({ event, what, ...about });
  });
  const limits = listen("cardwire:limit", (about) => audit.note({ event: "limit", ...about }));
  return {
    [Symbol.dispose]() {
      visitors[Symbol.dispose]();
      limits[Symbol.dispose]();
    },
  };
}
