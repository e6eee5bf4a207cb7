import { CardwireError } from "../domain/errors.ts";
import { Watchable } from "../domain/watchable.ts";
import { joinedName, openJoined } from "../joined/open.ts";
import type { Io } from "./io.ts";
import { openLate } from "./open-late.ts";
import type { OpenSource, OpenSourceOptions } from "./open-source.ts";
import { tellIfSlow } from "./patience.ts";
import { printable } from "./report.ts";
import type { Source } from "./sources.ts";

/** How long nobody may use the readers until the card host may let its pcscd rest, ms: as over ssh. */
const REST_AFTER_MS = 600_000;

type CardwireSource = Source & { readonly where: { readonly kind: "cardwire" } };

/**
 * Opens the readers of a card host that was joined.
 *
 * @throws {CardwireError} why it cannot, with what to do.
 */
export async function openCardwire(
  source: CardwireSource,
  options: OpenSourceOptions,
  { io, signal }: { readonly io: Io; readonly signal: AbortSignal },
): Promise<OpenSource> {
  using _patience = tellIfSlow(io, `connecting to ${source.text}`);
  try {
    return await openNow(source, options, { signal });
  } catch (error) {
    // Who is denied, or meets somebody else, need not wait for anything.
    const isAway = CardwireError.is(error) && error.code === "E_UNREACHABLE";
    if (!isAway || !options.keepTrying) throw error;
    return openLate(source, await lineTo(source, error), (within) =>
      openNow(source, options, within),
    );
  }
}

async function openNow(
  source: CardwireSource,
  { way: { prefetch, patience }, pipelining, keepWarm }: OpenSourceOptions,
  { signal }: { readonly signal: AbortSignal },
): Promise<OpenSource> {
  const restAfterMs = keepWarm ? undefined : REST_AFTER_MS;
  const remote = { pipelining, prefetch, patience, restAfterMs };
  const { way, service } = await openJoined(source.where, remote, { signal });
  return {
    source,
    name: way.name,
    service,
    leasing: service,
    get server() {
      return printable(service.server); // its own words
    },
    get protocol() {
      return /protocol (4:\d+)/.exec(service.server)?.[1];
    },
    get figures() {
      return service.figures;
    },
    get absence() {
      return service.failure;
    },
    roundTrip: (within) => service.roundTrip(within),
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await way[Symbol.asyncDispose]();
    },
  };
}

/** There is none to be kept up: each attempt makes its own. Until the next one, the first tells why it failed. */
async function lineTo({ where }: CardwireSource, lineDown: CardwireError) {
  const name = await joinedName(where);
  return {
    destination: `cardwire://${name}`,
    closing: new AbortController().signal,
    state: new Watchable({ up: true } as const),
    lineDown,
    up: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}
