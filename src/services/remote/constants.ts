import type { Reader } from "../../domain/card-service.ts";

/** Attributes that do not change while reader and card are the same (PC/SC part 3, section 3.1). */
const CONSTANT: ReadonlySet<number> = new Set([
  0x0001_0100, // vendor's name
  0x0001_0101, // vendor's name for this kind of reader
  0x0001_0102, // its version
  0x0001_0103, // its serial number
  0x0002_0110, // channel
  0x0009_0303, // answer to reset
  0x0007_a007, // longest command that it takes
  0x7fff_0003, // friendly name, 8 bit
  0x7fff_0004, // system name, 8 bit
  0x7fff_0005, // friendly name, 16 bit
  0x7fff_0006, // system name, 16 bit
]);

/** What a reader told of itself, or that it does not tell. */
export type Constant = { readonly data: Uint8Array } | { readonly rv: number };

interface Known {
  readonly eventCounter: number;
  readonly atr: Uint8Array | undefined;
  readonly told: Map<number, Constant>;
}

/** Remembers what readers tell of themselves, for as long as reader and card are the same. */
export class Constants {
  readonly #known = new Map<string, Known>();

  recall(reader: Reader, id: number): Constant | undefined {
    const known = this.#known.get(reader.name);
    return known && isSame(known, reader) ? known.told.get(id) : undefined;
  }

  remember(reader: Reader, id: number, constant: Constant): void {
    if (!CONSTANT.has(id)) return;
    const before = this.#known.get(reader.name);
    const { eventCounter, atr } = reader;
    const known =
      before && isSame(before, reader) ? before : { eventCounter, atr, told: new Map() };
    known.told.set(id, constant);
    this.#known.set(reader.name, known);
  }

  /** Forgets readers that are gone. */
  keepOnly(readers: readonly Reader[]): void {
    const names = new Set(readers.map(({ name }) => name));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
  }
}

const isSame = (known: Known, { eventCounter, atr }: Reader): boolean =>
  known.eventCounter === eventCounter && Buffer.compare(known.atr ?? NONE, atr ?? NONE) === 0;

const NONE = new Uint8Array(0);
