import type { CardService, Reader } from "../domain/card-service.ts";
import { firstSignal } from "../domain/first-signal.ts";
import { outerName } from "../domain/reader-name.ts";
import { canAsk } from "../host/terminal.ts";
import type { Io } from "./io.ts";
import { type OpenSource, type OpenSourceOptions, openSource } from "./open-source.ts";
import type { Source } from "./sources.ts";

export interface OpenOptions extends Omit<OpenSourceOptions, "canAsk" | "keepTrying"> {
  /** Opens them although none can be reached now, and tries until one can. */
  readonly wait: boolean;
}

/** Readers that were opened. Disposing closes the lines as well. */
export interface OpenReaders extends AsyncDisposable {
  /** All readers, those of several sources with the sources in their names. */
  readonly service: CardService;
  /** In the order given. */
  readonly sources: readonly OpenSource[];
}

/**
 * Opens the readers of all sources. Of several, those that cannot be reached now are tried again until they can, as
 * long as one is there.
 *
 * @throws {CardwireError} why it cannot, with what to do.
 */
export async function openReaders(
  sources: readonly Source[],
  options: OpenOptions,
  { io, signal }: { io: Io; signal: AbortSignal },
): Promise<OpenReaders> {
  const asks = canAsk(io.env);
  const keepTrying = options.wait || sources.length > 1;
  const opened = await openAll(sources, {
    // Two that ask at once could not be told apart on one terminal.
    oneByOne: asks,
    signal,
    open: (source, within) =>
      openSource(source, { ...options, canAsk: asks, keepTrying }, { io, ...within }),
  });
  try {
    const [first, ...others] = opened.map(({ absence }) => absence);
    if (first && others.every(Boolean) && !options.wait) throw first;
    const service = await seenAsOne(opened);
    return {
      service,
      sources: opened,
      async [Symbol.asyncDispose]() {
        await service[Symbol.asyncDispose]();
        await disposeAll(opened);
      },
    };
  } catch (error) {
    await disposeAll(opened);
    throw error;
  }
}

/** One source's readers under the names that they have among all of them. */
export function readersOf(
  { sources }: OpenReaders,
  { source: { label }, service }: OpenSource,
): readonly Reader[] {
  if (sources.length === 1) return service.readers;
  return service.readers.map((reader) => ({ ...reader, name: outerName(label, reader.name) }));
}

async function seenAsOne(opened: readonly OpenSource[]): Promise<CardService> {
  const [only, ...others] = opened;
  if (only && others.length === 0) return only.service;
  const { MergedService } = await import("../services/merged.ts");
  return new MergedService(opened.map(({ source, service }) => ({ label: source.label, service })));
}

/** Opens all or none. The first failure ends the others' start. */
async function openAll(
  sources: readonly Source[],
  {
    oneByOne,
    signal,
    open,
  }: {
    readonly oneByOne: boolean;
    readonly signal: AbortSignal;
    readonly open: (source: Source, within: { signal: AbortSignal }) => Promise<OpenSource>;
  },
): Promise<readonly OpenSource[]> {
  const failed = new AbortController();
  using either = firstSignal(signal, failed.signal);
  const opening: Promise<OpenSource>[] = [];
  for (const source of sources) {
    const one = open(source, either);
    one.catch((error: unknown) => failed.abort(error)); // which is looked at below
    opening.push(one);
    if (oneByOne) await Promise.allSettled([one]);
  }
  const opened = (await Promise.allSettled(opening)).flatMap((one) =>
    one.status === "fulfilled" ? [one.value] : [],
  );
  if (opened.length === sources.length) return opened;
  await disposeAll(opened);
  signal.throwIfAborted();
  throw failed.signal.reason;
}

async function disposeAll(opened: readonly OpenSource[]): Promise<void> {
  await Promise.all(opened.map((one) => one[Symbol.asyncDispose]()));
}
