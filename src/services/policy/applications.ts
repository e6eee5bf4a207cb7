import {
  type Commands,
  type Judge,
  look,
  manage,
  type Need,
  type Seen,
  unknown,
  use,
} from "./need.ts";
import { type AidPattern, startsWith } from "./selection.ts";

// Applications in which some commands are something else than in general. What does not stand in their tables is what
// it is everywhere.

export interface Application {
  readonly name: string;
  readonly aid: AidPattern;
  readonly commands: Commands;
  /** Those of class 80, where it has any. */
  readonly proprietary?: Commands;
}

const beginning = (hex: string): AidPattern => ({ bytes: Buffer.from(hex, "hex"), isPrefix: true });

const LOG_OUT = 0xff;

/** VERIFY of references that the application has: without data it only asks, and where P1 is FF it logs out. */
function verifyOf(own: ReadonlySet<number>, others: ReadonlySet<number> = new Set()): Judge {
  return ({ command: { p1, p2 = 0 }, isBare }) => {
    if (!own.has(p2) && !others.has(p2)) return undefined; // there is none
    if (p1 === LOG_OUT)
      return isBare ? use("VERIFY that logs out") : unknown("VERIFY with P1 FF and data");
    if (p1 !== 0) return unknown("VERIFY with another P1");
    if (isBare) return look("VERIFY that only asks");
    return own.has(p2) ? use("VERIFY") : manage("VERIFY of the administrator's PIN");
  };
}

/** Keys that a PIV card's holder uses (SP 800-73-4 part 1, table 4b): 9A, 9C, 9D, 9E, and the retired ones. */
const isHoldersKey = (p2: number): boolean =>
  p2 === 0x9a || (p2 >= 0x9c && p2 <= 0x9e) || (p2 >= 0x82 && p2 <= 0x95);

/** A template that asks for a challenge and for nothing else: how programs get random numbers from a PIV card. */
const ASKS_FOR_CHALLENGE = Uint8Array.of(0x7c, 0x02, 0x81, 0x00);

const pivAuthenticate: Judge = ({ command: { p2 = 0 }, data }) => {
  if (isHoldersKey(p2)) return use("GENERAL AUTHENTICATE");
  if (p2 !== 0x9b) return manage("GENERAL AUTHENTICATE with a key that is not the holder's");
  return data?.length === ASKS_FOR_CHALLENGE.length && startsWith(data, ASKS_FOR_CHALLENGE)
    ? use("GENERAL AUTHENTICATE that only asks for a challenge")
    : manage("GENERAL AUTHENTICATE with the management key");
};

/**
 * PIV (NIST SP 800-73-4 part 2), which is all that NIST's number stands for, with the commands of YubiKeys
 * (docs.yubico.com, "PIV commands"). 80 is the PIN, 00 the global one, 96 to 98 are fingerprints and the pairing code.
 */
const piv: Application = {
  name: "PIV",
  aid: beginning("a000000308"),
  commands: new Map<number, Need | Judge>([
    [0x20, verifyOf(new Set([0x00, 0x80, 0x96, 0x97, 0x98]))],
    [0x87, pivAuthenticate],
    [0xf6, manage("MOVE KEY")],
    [0xf7, look("GET METADATA")],
    [0xf8, look("GET SERIAL")],
    [0xf9, use("ATTEST")],
    [0xfa, manage("SET PIN RETRIES")],
    [0xfb, manage("RESET")],
    [0xfd, look("GET VERSION")],
    [0xfe, manage("IMPORT ASYMMETRIC KEY")],
    [0xff, manage("SET MANAGEMENT KEY")],
  ]),
};

const openPgpGenerate: Judge = ({ command: { p1, p2 } }) =>
  p1 === 0x81 && p2 === 0
    ? look("GENERATE ASYMMETRIC KEY PAIR that only reads the public key")
    : manage("GENERATE ASYMMETRIC KEY PAIR");

/** OpenPGP card 3.4, 7.2: signing, deciphering, and enciphering with AES. */
const OPENPGP_OPERATIONS: ReadonlySet<number> = new Set([0x9e9a, 0x8086, 0x8680]);

const openPgpOperation: Judge = ({ command: { p1 = 0, p2 = 0 } }) =>
  OPENPGP_OPERATIONS.has(p1 * 0x100 + p2)
    ? use(p1 === 0x9e ? "COMPUTE DIGITAL SIGNATURE" : "DECIPHER or ENCIPHER")
    : unknown("PERFORM SECURITY OPERATION of another kind");

/** The OpenPGP card (functional specification 3.4). 81 and 82 are the holder's PIN, 83 is the administrator's. */
const openPgp: Application = {
  name: "OpenPGP",
  aid: beginning("d27600012401"),
  commands: new Map<number, Need | Judge>([
    [0x20, verifyOf(new Set([0x81, 0x82]), new Set([0x83]))],
    [0x2a, openPgpOperation],
    [0x47, openPgpGenerate],
    [0xa5, look("SELECT DATA")],
    [0xcc, look("GET NEXT DATA")],
    [0xf1, look("GET VERSION")],
    [0xf2, manage("SET PIN RETRIES")],
  ]),
};

/** In Microsoft's applet key 0 of no algorithm is the administrator's. */
const gidsAuthenticate: Judge = ({ command: { p1, p2 } }) =>
  p1 === 0 && p2 === 0 ? manage("GENERAL AUTHENTICATE with the administrator's key") : undefined;

/** Generic Identity Device Specification 2.0. */
const gids: Application = {
  name: "GIDS",
  aid: beginning("a00000039742544659"),
  commands: new Map<number, Need | Judge>([[0x87, gidsAuthenticate]]),
};

/** A challenge in a CALCULATE ALL, which has SELECT's number. */
const isCalculation = ({ command, data }: Seen): boolean =>
  command.p1 !== 0x04 && (data === undefined || data[0] === 0x74);

const oath: Application = {
  name: "OATH of YubiKeys",
  aid: beginning("a0000005272101"),
  commands: new Map<number, Need | Judge>([
    [0x01, manage("PUT")],
    [0x02, manage("DELETE")],
    [0x03, manage("SET CODE")],
    [0x04, manage("RESET")],
    [0x05, manage("RENAME")],
    [0xa1, look("LIST")],
    [0xa2, use("CALCULATE")],
    [0xa3, use("VALIDATE")],
    [0xa4, (seen) => (isCalculation(seen) ? use("CALCULATE ALL") : undefined)],
    [0xa5, look("SEND REMAINING")],
  ]),
};

/** By P1: the challenge of an OTP or a response, and the serial number. All else writes. */
const otpSlot: Judge = ({ command: { p1 = 0 } }) => {
  if (p1 === 0x10) return look("the serial number");
  return [0x20, 0x28, 0x30, 0x38].includes(p1)
    ? use("CHALLENGE-RESPONSE")
    : manage("a slot's settings");
};

const otp: Application = {
  name: "OTP of YubiKeys",
  aid: beginning("a0000005272001"),
  commands: new Map<number, Need | Judge>([
    [0x01, otpSlot],
    [0x03, look("READ STATUS")],
  ]),
};

const yubiKeyManagement: Application = {
  name: "management of YubiKeys",
  aid: beginning("a000000527471117"),
  commands: new Map<number, Need | Judge>([
    [0x1c, manage("WRITE CONFIG")],
    [0x1d, look("READ CONFIG")],
    [0x1f, manage("DEVICE RESET")],
  ]),
};

const fido: Application = {
  name: "FIDO",
  aid: beginning("a0000006472f"),
  commands: new Map<number, Need | Judge>([[0x03, look("GET VERSION")]]),
};

const securityDomain = (aid: string): Application => ({
  name: "a GlobalPlatform security domain",
  aid: beginning(aid),
  commands: new Map(),
  proprietary: new Map<number, Need | Judge>([[0xf2, look("GET STATUS")]]),
});

export const applications: readonly Application[] = [
  piv,
  openPgp,
  gids,
  oath,
  otp,
  yubiKeyManagement,
  fido,
  securityDomain("a000000151"),
  securityDomain("a000000003000000"),
];
