import type { CardService, ConnectOptions, Reader } from "../../src/domain/card-service.ts";
import { SoftwareReaders } from "../../src/services/software/service.ts";
import { type LinkedOptions, linkTo } from "./linked.ts";

export const READER = "Software 00 00";
export const PCI = { send: 2, receive: 2 } as const;
/** A card whose ATR offers T=1 alone. */
export const ATR = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);

const SHARED = { share: 2, protocols: 3, principal: { name: "test" } };
/** The end of whatever a test waits for. */
export const soon = (): AbortSignal => AbortSignal.timeout(20_000);

export interface OneCardOptions extends LinkedOptions {
  /** What the card answers; 90 00 unless told. */
  readonly process?: (command: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /** Shows no protocol of the card, as pcscd, which tells nobody of a reset. */
  readonly hidesProtocol?: boolean;
}

/** A software reader with a card, a link to it, and programs at both ends. */
export async function linkToOneCard(options: OneCardOptions = {}) {
  const { process = () => Uint8Array.of(0x90, 0x00), hidesProtocol = false, ...others } = options;
  const readers = new SoftwareReaders([READER]);
  await readers.insert(READER, { atr: ATR, process });
  const linked = await linkTo(hidesProtocol ? withoutProtocol(readers) : readers, others);
  return {
    readers,
    linked,
    remote: linked.remote,
    /** A program at the end that has no readers. */
    connect: async (how: Partial<ConnectOptions> = {}) =>
      (await linked.remote.connect(READER, { ...SHARED, ...how }, { signal: soon() })).session,
    /** A program at the card host. */
    direct: async (how: Partial<ConnectOptions> = {}) =>
      (await readers.connect(READER, { ...SHARED, ...how }, { signal: soon() })).session,
    async [Symbol.asyncDispose]() {
      await linked[Symbol.asyncDispose]();
      await readers[Symbol.asyncDispose]();
    },
  };
}

/** What a call came to: 0, or the code that it was refused with. */
export const codeOf = async (call: Promise<unknown>): Promise<number> =>
  await call.then(
    () => 0,
    (error: { rv: number }) => error.rv,
  );

function withoutProtocol(service: CardService): CardService {
  const known = new WeakMap<readonly Reader[], readonly Reader[]>();
  const shown = (readers: readonly Reader[]): readonly Reader[] => {
    const before = known.get(readers) ?? readers.map((reader) => ({ ...reader, protocol: 2 }));
    known.set(readers, before);
    return before;
  };
  return {
    get readers() {
      return shown(service.readers);
    },
    async *watch(options) {
      for await (const readers of service.watch(options)) yield shown(readers);
    },
    connect: async (...how) => await service.connect(...how),
    [Symbol.asyncDispose]: async () => await service[Symbol.asyncDispose](),
  };
}
