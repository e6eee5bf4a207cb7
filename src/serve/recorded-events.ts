import type { Audit, AuditRecord } from "../audit/record.ts";
import { listen } from "../observe/events.ts";
import type { ArbiterEvent } from "../services/arbiter/events.ts";
import type { Policy } from "../services/policy/policy.ts";
import type { Refusal } from "../services/policy/refusal.ts";
import type { SerialEvent } from "../services/serials/serials.ts";
import { Repeats } from "./repeats.ts";

const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000;

/** Records alike that are written one by one. */
const FEW = 20;

/** What somebody may cause as often as he likes, and at no cost: see {@link Repeats}. */
export const recordRepeats = (audit: Audit): Repeats<AuditRecord> =>
  new Repeats<AuditRecord>({
    tell: (record) => audit.note(record),
    few: FEW,
    others: { event: "refused", why: "there is more of it than is told apart" },
  });

/** What the arbiter decides, for the record; the rules forget what was selected on a card that it reset. */
export const recordDecisions =
  (audit: Audit, repeats: Repeats<AuditRecord>, policy: () => Policy) =>
  (event: ArbiterEvent): void => {
    const { type, reader, identity, ...about } = event;
    if (type === "hand-over" || type === "taken") policy().cardWasReset(reader);
    const times = Object.entries(about).map(([name, value]) =>
      typeof value === "number" && /ms$/i.test(name) ? [name, rounded(value)] : [name, value],
    );
    const record = { event: type, reader, identity, ...Object.fromEntries(times) } as AuditRecord;
    if (type !== "refused" && !type.startsWith("lease")) return audit.note(record);
    const why = "why" in event ? event.why : "";
    repeats.note(record, JSON.stringify([type, reader, identity, why]));
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
  (repeats: Repeats<AuditRecord>) =>
  ({ header, code, ...about }: Refusal): void => {
    const bytes = header && Buffer.from([header.cla, header.ins, header.p1, header.p2]);
    const record = {
      event: "refused",
      ...about,
      header: bytes?.toString("hex"),
      code: code === undefined ? undefined : `0x${code.toString(16)}`,
    };
    repeats.note(record, JSON.stringify(record));
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
