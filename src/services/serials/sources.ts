import { findTlv } from "../../wire/iso7816/tlv.ts";

/** A place where cards of one kind keep their serial number. */
export interface Source {
  /** For people. */
  readonly name: string;
  /**
   * Command APDUs, one after the other. Each may be sent to any card: it selects or reads what everybody may read, and
   * leaves nothing behind that a reset does not take away. Where one is not answered well, the card has no such place.
   */
  readonly commands: readonly Uint8Array[];
  /**
   * The number in the answer to the last one; undefined where there is none.
   *
   * @throws {ProtocolError} for data objects that are none.
   */
  readonly read: (answer: Uint8Array) => string | undefined;
}

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");

const inHex = (bytes: Uint8Array | undefined): string | undefined =>
  bytes?.some((byte) => byte !== 0) ? Buffer.from(bytes).toString("hex") : undefined;

/** Four bytes, as YubiKeys have it printed on them. */
function inDecimal(bytes: Uint8Array | undefined): string | undefined {
  if (bytes?.length !== 4) return undefined;
  const serial = Buffer.from(bytes).readUInt32BE();
  return serial === 0 ? undefined : `${serial}`;
}

const SELECT_PIV = hex("00a40400 09 a00000030800001000 00");

/** In the order in which they are tried; a card's number is the first that it tells. */
export const sources: readonly Source[] = [
  {
    // READ CONFIG (docs.yubico.com, "management application"): a length, then data objects. Firmware 4.1 and later.
    name: "YubiKey",
    commands: [hex("00a40400 08 a000000527471117 00"), hex("001d0000 00")],
    read: (answer) => inDecimal(findTlv(answer.subarray(1, 1 + (answer[0] ?? 0)), 0x02)),
  },
  {
    // The OTP application's "get serial number": older ones.
    name: "YubiKey OTP",
    commands: [hex("00a40400 07 a0000005272001 00"), hex("00011000 00")],
    read: inDecimal,
  },
  {
    // GET SERIAL, of YubiKeys and of those that are like them.
    name: "PIV with GET SERIAL",
    commands: [SELECT_PIV, hex("00f80000 00")],
    read: inDecimal,
  },
  {
    // The Card Holder Unique Identifier's GUID (SP 800-73-4 part 1, table 9).
    name: "PIV",
    commands: [SELECT_PIV, hex("00cb3fff 05 5c035fc102 00")],
    read: (answer) => inHex(findTlv(findTlv(answer, 0x53) ?? NOTHING, 0x34)),
  },
  {
    // The application's identifier (OpenPGP card 3.4, 4.2.1): after version come maker and number.
    name: "OpenPGP",
    commands: [hex("00a40400 06 d27600012401 00"), hex("00ca004f 00")],
    read: (aid) => {
      if (aid.length !== 16 || inHex(aid.subarray(8, 14)) === undefined) return undefined;
      const digits = Buffer.from(aid).toString("hex");
      return `${digits.slice(16, 20)}:${digits.slice(20, 28)}`;
    },
  },
  {
    // EF.TokenInfo (ISO/IEC 7816-15, 8.10): after the version, which is an INTEGER, an OCTET STRING.
    name: "PKCS #15",
    commands: [
      hex("00a40400 0c a000000063504b43532d3135 00"),
      hex("00a4020c 02 5032"),
      hex("00b00000 00"),
    ],
    read: (answer) => inHex(findTlv(findTlv(answer, 0x30) ?? NOTHING, 0x04)),
  },
];

const NOTHING = new Uint8Array(0);
