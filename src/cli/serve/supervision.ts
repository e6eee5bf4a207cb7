import type { Audit } from "../../audit/record.ts";
import type { CardService } from "../../domain/card-service.ts";
import { Holdings } from "../../domain/holdings.ts";
import type { MetricsPlace } from "../../fronts/metrics/server.ts";
import { listen } from "../../observe/events.ts";
import { Metrics } from "../../observe/metrics.ts";
import { identityViews, mayRunAtOnce } from "../../serve/identity-views.ts";
import { arbitratedLeasing } from "../../serve/leasing.ts";
import { cardsTimed, metered, meterState } from "../../serve/metered.ts";
import {
  recordDecisions,
  recordRefusals,
  recordRepeats,
  recordSerials,
  recordVisitors,
} from "../../serve/recorded-events.ts";
import type { ServeOptions, View } from "../../serve/server.ts";
import { Arbiter } from "../../services/arbiter/arbiter.ts";
import { Policy, type PolicyOptions } from "../../services/policy/policy.ts";
import { Serials } from "../../services/serials/serials.ts";
import type { LiveSettings } from "../settings/own.ts";
import type { ServeSettings } from "../settings/serve-settings.ts";
import { followSettings } from "./follow-settings.ts";
import { type AuditOptions, openAudit } from "./open-audit.ts";
import { type TermFlags, Terms } from "./terms.ts";

export interface SupervisionOptions extends AuditOptions {
  /** What was given on the command line. */
  readonly given: TermFlags;
  readonly settings: LiveSettings;
  readonly metrics: MetricsPlace | undefined;
}

/** What stands between the readers and those who are let in: whose turn it is, what they may do, and what is kept of it. */
export interface Supervision extends AsyncDisposable {
  readonly arbiter: Arbiter;
  readonly audit: Audit;
  readonly view: View;
  readonly leasing: ServeOptions["leasing"];
  readonly terms: Terms;
  /** The serial number of the card in a reader, where rules name one and it is known. */
  readonly serialOf: (reader: string) => string | undefined;
  /** Begins to offer metrics, if they are wanted. @param links how many there are. */
  offerMetrics(links: () => number): Promise<void>;
}

/**
 * Puts it together, and follows the settings file until it is disposed.
 *
 * @throws {CardwireError} `E_CONFIG` when the settings have a mistake, `E_AUDIT` when the audit log cannot be written.
 */
export async function supervise(
  readers: CardService,
  { given, settings, metrics: place, ...options }: SupervisionOptions,
): Promise<Supervision> {
  const opened = new Holdings();
  try {
    const from = await settings.load();
    const terms = new Terms(given, from);
    const metrics = new Metrics();
    const audit = metered(opened.hold(await openAudit(options)), metrics);
    // Where nothing is reset, other programs' use is to be seen by the number of their handles.
    const foreignUse = (reader: string) => (terms.handOver(reader) === "shared" ? "seen" : "told");
    const runsAtOnce = (reader: string, name: string): boolean =>
      mayRunAtOnce(arbiter, reader, name);
    const repeats = opened.hold(recordRepeats(audit));
    const onRefusal = recordRefusals(repeats);
    const settle: PolicyOptions["settle"] = (reader, within) => serials.settle(reader, within);
    const policy = new Policy({ rules: from.rules, foreignUse, runsAtOnce, onRefusal, settle });
    const onEvent = recordDecisions(audit, repeats, () => policy);
    // The readers' owner closes them; what watches them ends with that.
    const arbiter: Arbiter = new Arbiter(cardsTimed(readers, metrics), {
      policy: (reader) => terms.handOver(reader),
      limits: (identity) => terms.turnLimits(identity),
      onEvent,
    });
    const serials: Serials = opened.hold(
      new Serials({ cards: arbiter, policy, onEvent: recordSerials(audit) }),
    );
    // Another pcscd counts its cards anew.
    opened.hold(asynchronous(listen("cardwire:pcscd", () => serials.forget())));
    opened.hold(asynchronous(recordVisitors(audit)));
    const apply = (now: ServeSettings): void => {
      terms.update(now);
      policy.update(now.rules);
    };
    opened.hold(asynchronous(followSettings(settings, from, apply)));
    const view = identityViews({ arbiter, policy, audit });
    return {
      arbiter,
      audit,
      view,
      leasing: arbitratedLeasing(arbiter, onEvent),
      terms,
      serialOf: (reader) => serials.serialOf(reader),
      async offerMetrics(links) {
        if (!place) return;
        const { serveMetrics } = await import("../../fronts/metrics/server.ts");
        meterState(metrics, { arbiter, links });
        opened.hold(await serveMetrics(metrics, place));
      },
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

const asynchronous = (one: Disposable): AsyncDisposable => ({
  [Symbol.asyncDispose]: async () => one[Symbol.dispose](),
});
