import type { Audit, AuditRecord } from "../audit/record.ts";
import type { CardService, CardSession } from "../domain/card-service.ts";
import { ReaderStateBit } from "../domain/pcsc.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Arbiter } from "../services/arbiter/arbiter.ts";
import { ForwardingSession } from "../services/forwarding-session.ts";
import { withSessions } from "../services/with-sessions.ts";

/** Upper bounds of what a command, or a wait, may take, seconds. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

/** `audit`, with what it is told counted. */
export function metered(audit: Audit, metrics: Metrics): Audit {
  const commands = metrics.histogram(
    "cardwire_command_seconds",
    "From the arrival of a command at the card host to its answer there, the wait for a turn included.",
    BOUNDS,
  );
  const waits = metrics.histogram(
    "cardwire_turn_wait_seconds",
    "How long transactions waited for their turn.",
    BOUNDS,
  );
  const handOvers = metrics.histogram(
    "cardwire_hand_over_seconds",
    "How long the reset of a card took between two identities.",
    BOUNDS,
  );
  const refusals = metrics.counter("cardwire_refusals", "What was refused, by the kind of it.");
  const leases = metrics.counter(
    "cardwire_lease_outcomes",
    "Leases that were granted, refused, given back, or lost in another way.",
  );
  const events = metrics.counter("cardwire_events", "What is on the record, by its event.");
  const count = (record: AuditRecord): void => {
    const { event, reader = "", ms = 0 } = record;
    // One record may stand for many alike.
    const times = numberOf(record["times"]) || 1;
    events.add({ event }, times);
    const outcome = leaseOutcome(record);
    if (outcome !== undefined) leases.add({ outcome }, times);
    if (event === "command") commands.observe(ms / 1_000, { reader });
    else if (event === "transaction")
      waits.observe(numberOf(record["waitedMs"]) / 1_000, { reader });
    else if (event === "hand-over") handOvers.observe(ms / 1_000, { reader });
    else if (event === "refused") {
      const usual = record["what"] === "lease" ? "lease" : "connection";
      refusals.add({ call: String(record["call"] ?? usual) }, times);
    }
  };
  return {
    admit: () => audit.admit(),
    note: (record) => {
      count(record);
      audit.note(record);
    },
  };
}

/** `inner`, with the time that cards take measured: without any wait, and without the line. */
export function cardsTimed(inner: CardService, metrics: Metrics): CardService {
  const took = metrics.histogram(
    "cardwire_card_seconds",
    "How long a command took at the card: pcscd, reader and card.",
    BOUNDS,
  );
  return withSessions(inner, (session, { reader }) => {
    return new TimedSession(session, (seconds) => took.observe(seconds, { reader }));
  });
}

class TimedSession extends ForwardingSession {
  readonly #tell: (seconds: number) => void;

  constructor(inner: CardSession, tell: (seconds: number) => void) {
    super(inner);
    this.#tell = tell;
  }

  override async transmit(
    apdu: Uint8Array,
    pci: { readonly send: number; readonly receive: number },
  ): ReturnType<CardSession["transmit"]> {
    const start = performance.now();
    try {
      return await super.transmit(apdu, pci);
    } finally {
      this.#tell((performance.now() - start) / 1_000);
    }
  }
}

/** What there is now. */
export function meterState(
  metrics: Metrics,
  { arbiter, links }: { readonly arbiter: Arbiter; readonly links: () => number },
): void {
  const perReader = function* (read: (reader: string) => number) {
    for (const { name } of arbiter.readers) yield [{ reader: name }, read(name)] as const;
  };
  metrics.gauge("cardwire_links", "Links, those that wait to be resumed included.", () => [
    [{}, links()],
  ]);
  metrics.gauge("cardwire_queue_length", "Calls that wait for their turn.", () =>
    perReader((reader) => arbiter.attendance(reader).waiting.length),
  );
  metrics.gauge("cardwire_held", "1 while somebody has the card.", () =>
    perReader((reader) => (arbiter.attendance(reader).holder === undefined ? 0 : 1)),
  );
  metrics.gauge("cardwire_leases", "Leases in force.", () =>
    perReader((reader) => (arbiter.attendance(reader).lease === undefined ? 0 : 1)),
  );
  metrics.gauge("cardwire_card_present", "1 while there is a card in the reader.", () => {
    const states = new Map(arbiter.readers.map(({ name, stateBits }) => [name, stateBits]));
    return perReader((reader) => ((states.get(reader) ?? 0) & ReaderStateBit.Present ? 1 : 0));
  });
}

/** What became of a lease, or of the wish for one; undefined where a record is of something else. */
function leaseOutcome({ event, ...about }: AuditRecord): string | undefined {
  if (event === "lease") return "granted";
  if (event === "lease-ended") return about["why"] === "released" ? "released" : "lost";
  return event === "refused" && about["what"] === "lease" ? "refused" : undefined;
}

const numberOf = (value: unknown): number => (typeof value === "number" ? value : 0);
