import type { Reader } from "../../domain/card-service.ts";

/** The attributes that a software reader has (PC/SC part 3, section 3.1.4; pcsc-lite's reader.h). */
const Attribute = {
  VendorName: 0x0001_0100,
  AtrString: 0x0009_0303,
  IccPresence: 0x0009_0300,
  FriendlyName: 0x7fff_0003,
  SystemName: 0x7fff_0004,
} as const;

const VENDOR = "cardwire";

/** @returns undefined for one that there is not. */
export function attribute(id: number, { name, atr }: Reader): Uint8Array | undefined {
  switch (id) {
    case Attribute.VendorName:
      return Buffer.from(`${VENDOR}\0`);
    case Attribute.AtrString:
      return atr ?? new Uint8Array(0);
    case Attribute.IccPresence:
      // 0 not present, 1 present but not connected, 2 present.
      return Uint8Array.of(atr ? 2 : 0);
    case Attribute.FriendlyName:
    case Attribute.SystemName:
      return Buffer.from(`${name}\0`);
    default:
      return undefined;
  }
}
