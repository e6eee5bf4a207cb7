import { setTimeout as sleep } from "node:timers/promises";
import type { Line } from "../carriers/carrier.ts";
import { CardwireError } from "../domain/errors.ts";
import type { Watchable } from "../domain/watchable.ts";
import { LateService } from "../services/late.ts";
import type { OpenSource } from "./open-source.ts";
import type { Source } from "./sources.ts";

/** How long to wait after a failure, ms. */
const AGAIN_MS = 5_000;

/** The way to such a host. */
export interface LateLine extends AsyncDisposable {
  /** How events call it. */
  readonly destination: string;
  /** Aborts when it is given up for good. */
  readonly closing: AbortSignal;
  readonly state: Watchable<Line>;
  /** What people are told while it is down. */
  readonly lineDown: CardwireError;
  /** Resolves when it is up. */
  up(signal: AbortSignal): Promise<unknown>;
}

/**
 * The readers of a host that cannot be reached now: what is best there shows when it can. Closing it closes the line.
 *
 * @param open opens them once the line is up; closing what it gives closes the line.
 */
export function openLate(
  source: Source,
  line: LateLine,
  open: (options: { signal: AbortSignal }) => Promise<OpenSource>,
): OpenSource {
  const service = new LateService();
  const life = new AbortController();
  const { signal } = life;
  let opened: OpenSource | undefined;
  let failure: CardwireError | undefined;
  const opening = (async () => {
    // What fails for good takes the line with it.
    while (!opened && !line.closing.aborted) {
      try {
        await line.up(signal);
        opened = await open({ signal });
        service.arrive(opened.service);
      } catch (error) {
        if (signal.aborted) return;
        failure = CardwireError.is(error) ? error : new CardwireError("E_AGENT", String(error));
        await sleep(AGAIN_MS, undefined, { signal }).catch(() => {}); // the loop sees it
      }
    }
  })();
  return {
    source,
    name: line.destination,
    service,
    get server() {
      return opened?.server ?? "";
    },
    get protocol() {
      return opened?.protocol;
    },
    get via() {
      return opened?.via;
    },
    get figures() {
      return opened?.figures;
    },
    get leasing() {
      return opened?.leasing;
    },
    get keeper() {
      return opened?.keeper;
    },
    get remark() {
      return opened?.remark;
    },
    get absence() {
      if (opened) return opened.absence;
      const { value } = line.state;
      if (value.up) return failure ?? line.lineDown;
      return value.error ?? line.lineDown;
    },
    roundTrip: async (within) => await opened?.roundTrip(within),
    async [Symbol.asyncDispose]() {
      life.abort(new CardwireError("E_CLOSED", "it was closed"));
      await opening;
      await service[Symbol.asyncDispose]();
      if (opened) await opened[Symbol.asyncDispose]();
      await line[Symbol.asyncDispose]();
    },
  };
}
