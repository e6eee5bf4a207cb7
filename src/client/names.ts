import { Disposition, Protocol, ShareMode } from "../domain/pcsc.ts";

// PC/SC's numbers by names that can be read in a program.

/** `exclusive`: nobody else; `shared`: with others; `direct`: with the reader, whether there is a card or not. */
export type Share = "exclusive" | "shared" | "direct";
/** How bytes go to the card and back; `raw` as the reader's driver has it. */
export type ProtocolName = "T=0" | "T=1" | "raw";
/** What becomes of the card. */
export type CardEnd = "leave" | "reset" | "unpower" | "eject";

const shares = {
  exclusive: ShareMode.Exclusive,
  shared: ShareMode.Shared,
  direct: ShareMode.Direct,
} as const satisfies Readonly<Record<Share, number>>;

const protocols = {
  "T=0": Protocol.T0,
  "T=1": Protocol.T1,
  raw: Protocol.Raw,
} as const satisfies Readonly<Record<ProtocolName, number>>;

const ends = {
  leave: Disposition.Leave,
  reset: Disposition.Reset,
  unpower: Disposition.Unpower,
  eject: Disposition.Eject,
} as const satisfies Readonly<Record<CardEnd, number>>;

export const shareNumber = (share: Share): number => numberOf(shares, share);
export const endNumber = (end: CardEnd): number => numberOf(ends, end);
export const protocolBits = (names: readonly ProtocolName[]): number =>
  names.reduce((bits, name) => bits | numberOf(protocols, name), 0);
/** Undefined for none. */
export const protocolName = (bit: number): ProtocolName | undefined =>
  (Object.keys(protocols) as ProtocolName[]).find((name) => protocols[name] === bit);

/** @throws {TypeError} for what is no name, which only a program without types can say. */
function numberOf<N extends string>(table: Readonly<Record<N, number>>, name: N): number {
  if (!Object.hasOwn(table, name)) {
    const known = Object.keys(table).map((one) => JSON.stringify(one));
    throw new TypeError(`${JSON.stringify(name)} is none of ${known.join(", ")}`);
  }
  return table[name];
}
