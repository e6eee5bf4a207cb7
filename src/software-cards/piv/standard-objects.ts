import { randomBytes } from "node:crypto";
import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { encodeFascN, nobodysFascN } from "./fasc-n.ts";

/** A container that says nothing, or is empty on purpose. */
const empty = (tag: number): Uint8Array => encodeTlv(tag);
const one = (tag: number, byte: number): Uint8Array => encodeTlv(tag, Uint8Array.of(byte));

/** Marks a container's end: no error detection code. */
const END = empty(0xfe);

/**
 * A card holder unique identifier (SP 800-73-4 part 1, table 9) that nobody signed.
 *
 * @param guid 16 bytes.
 * @param expires only its date counts.
 */
export function cardHolderId(guid: Uint8Array, expires: Date): Uint8Array {
  const date = expires.toISOString().slice(0, 10).replaceAll("-", "");
  return Buffer.concat([
    encodeTlv(0x30, encodeFascN(nobodysFascN)),
    encodeTlv(0x34, guid),
    encodeTlv(0x35, Buffer.from(date, "latin1")),
    empty(0x3e),
    END,
  ]);
}

/** A random UUID, version 4 (RFC 9562, 5.4). */
export function newGuid(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes;
}

const GSC_RID = [0xa0, 0x00, 0x00, 0x01, 0x16];
const NO_MANUFACTURER = 0xff;
const JAVA_CARD = 0x02;

/** The card capability container (SP 800-73-4 part 1, table 8): for programs older than PIV, to be there. */
export function cardCapability(): Uint8Array {
  const identifier = [...GSC_RID, NO_MANUFACTURER, JAVA_CARD, ...randomBytes(14)];
  return Buffer.concat([
    encodeTlv(0xf0, Uint8Array.from(identifier)),
    one(0xf1, 0x21), // version of the container
    one(0xf2, 0x21), // version of its grammar
    empty(0xf3),
    one(0xf4, 0x00), // nothing of PKCS #15
    one(0xf5, 0x10), // the data model
    ...[0xf6, 0xf7, 0xfa, 0xfb, 0xfc, 0xfd].map(empty),
    END,
  ]);
}

/** A certificate's container (SP 800-73-4 part 1, table 10): not compressed. */
export const certificateObject = (certificate: Uint8Array): Uint8Array =>
  Buffer.concat([encodeTlv(0x70, certificate), one(0x71, 0x00), END]);
