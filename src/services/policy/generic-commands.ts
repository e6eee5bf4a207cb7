import { parseTlv } from "../../wire/iso7816/tlv.ts";
import { type Commands, type Judge, look, manage, type Need, unknown, use } from "./need.ts";
import { isPlainSelect, SELECT } from "./select.ts";

// What commands of the interindustry class are in any application (ISO/IEC 7816-4:2020, 7816-8:2021, 7816-9:2017).
// What is not here nobody is allowed who is not allowed everything.

const select: Judge = ({ command }) =>
  isPlainSelect(command) ? look("SELECT") : unknown("a SELECT that the standard does not know");

/** 11.6.6. P1 of FF takes back what was verified. */
const verify: Judge = ({ command: { p1 }, isBare }) => {
  if (p1 === LOG_OUT)
    return isBare ? use("VERIFY that logs out") : unknown("VERIFY with P1 FF and data");
  return p1 === 0 ? use("VERIFY") : unknown("VERIFY with another P1");
};

const LOG_OUT = 0xff;

/** 11.6.11: SET and RESTORE last until a reset, STORE and ERASE are for good. */
const securityEnvironment: Judge = ({ command: { p1 = 0 } }) => {
  const isSet = (p1 & 0x0f) === 0x01;
  return isSet || p1 === 0xf3
    ? use("MANAGE SECURITY ENVIRONMENT")
    : manage("MANAGE SECURITY ENVIRONMENT that stores or erases");
};

/** What PERFORM SECURITY OPERATION does, by the tag in P1 and the tag in P2 (7816-8, 8). */
const operationNeed = (name: string): Need => use(`PERFORM SECURITY OPERATION: ${name}`);
const OPERATIONS: ReadonlyMap<number, Need> = new Map([
  [0x9e9a, operationNeed("COMPUTE DIGITAL SIGNATURE")],
  [0x9eac, operationNeed("COMPUTE DIGITAL SIGNATURE")],
  [0x9ebc, operationNeed("COMPUTE DIGITAL SIGNATURE")],
  [0x8e80, operationNeed("COMPUTE CRYPTOGRAPHIC CHECKSUM")],
  [0x00a2, operationNeed("VERIFY CRYPTOGRAPHIC CHECKSUM")],
  [0x00a8, operationNeed("VERIFY DIGITAL SIGNATURE")],
  [0x9080, operationNeed("HASH")],
  [0x90a0, operationNeed("HASH")],
  [0x8086, operationNeed("DECIPHER")],
  [0x8084, operationNeed("DECIPHER")],
  [0x8680, operationNeed("ENCIPHER")],
  [0x8480, operationNeed("ENCIPHER")],
]);

const operation: Judge = ({ command: { p1 = 0, p2 = 0 } }) =>
  OPERATIONS.get(p1 * 0x100 + p2) ?? unknown("PERFORM SECURITY OPERATION of another kind");

/** In a dynamic authentication template (7816-4, 11.6.5). */
const [TEMPLATE, CHALLENGE, RESPONSE] = [0x7c, 0x81, 0x82] as const;

/**
 * GENERAL AUTHENTICATE with a key that nothing is known of. It is a use of the key only if the card answers a challenge:
 * where it makes one, or is given a response, the host proves something to the card, as whoever manages it does.
 */
const generalAuthenticate: Judge = ({ data }) =>
  data !== undefined && isInternal(data)
    ? use("GENERAL AUTHENTICATE")
    : manage("GENERAL AUTHENTICATE that may be external or mutual");

function isInternal(data: Uint8Array): boolean {
  try {
    const [template, ...others] = parseTlv(data);
    if (template?.tag !== TEMPLATE || others.length > 0) return false;
    const inside = parseTlv(template.value);
    const lengthOf = (tag: number) => inside.find((one) => one.tag === tag)?.value.length ?? 0;
    const isKnown = inside.every(({ tag }) => tag === CHALLENGE || tag === RESPONSE);
    const isOnce = new Set(inside.map(({ tag }) => tag)).size === inside.length;
    return isKnown && isOnce && lengthOf(CHALLENGE) > 0 && lengthOf(RESPONSE) === 0;
  } catch {
    return false;
  }
}

const changeReference: Need = manage("CHANGE REFERENCE DATA");
const external: Need = manage("EXTERNAL or MUTUAL AUTHENTICATE");
const erase: Need = manage("ERASE");
const write: Need = manage("WRITE or UPDATE");
const generate: Need = manage("GENERATE ASYMMETRIC KEY PAIR");
const putData: Need = manage("PUT DATA");

export const genericCommands: Commands = new Map<number, Need | Judge>([
  [0x04, manage("DEACTIVATE FILE")],
  [0x0c, erase],
  [0x0e, erase],
  [0x0f, erase],
  [0x20, verify],
  [0x21, verify],
  [0x22, securityEnvironment],
  [0x24, changeReference],
  [0x25, changeReference],
  [0x26, manage("DISABLE VERIFICATION REQUIREMENT")],
  [0x28, manage("ENABLE VERIFICATION REQUIREMENT")],
  [0x2a, operation],
  [0x2c, manage("RESET RETRY COUNTER")],
  [0x2d, manage("RESET RETRY COUNTER")],
  [0x44, manage("ACTIVATE")],
  [0x46, generate],
  [0x47, generate],
  [0x70, use("MANAGE CHANNEL")],
  [0x82, external],
  [0x84, use("GET CHALLENGE")],
  [0x86, generalAuthenticate],
  [0x87, generalAuthenticate],
  [0x88, use("INTERNAL AUTHENTICATE")],
  [SELECT, select],
  [0xb0, look("READ BINARY")],
  [0xb1, look("READ BINARY")],
  [0xb2, look("READ RECORD")],
  [0xb3, look("READ RECORD")],
  [0xc0, look("GET RESPONSE")],
  [0xc2, unknown("ENVELOPE")],
  [0xc3, unknown("ENVELOPE")],
  [0xca, look("GET DATA")],
  [0xcb, look("GET DATA")],
  [0xd0, write],
  [0xd1, write],
  [0xd2, write],
  [0xd6, write],
  [0xd7, write],
  [0xda, putData],
  [0xdb, putData],
  [0xdc, write],
  [0xdd, write],
  [0xe0, manage("CREATE FILE")],
  [0xe2, manage("APPEND RECORD")],
  [0xe4, manage("DELETE FILE")],
  [0xe6, manage("TERMINATE DF")],
  [0xe8, manage("TERMINATE EF")],
  [0xfe, manage("TERMINATE CARD USAGE")],
]);

/** GlobalPlatform's (Card Specification 2.3, 11), whose class is 80. With 84 their bodies are protected. */
export const globalPlatformCommands: Commands = new Map<number, Need | Judge>([
  [0x50, manage("INITIALIZE UPDATE")],
  [0x78, manage("INITIALIZE UPDATE")],
  [0x82, external],
  [0xca, look("GET DATA of GlobalPlatform")],
  [0xcb, look("GET DATA of GlobalPlatform")],
  [0xd8, manage("PUT KEY")],
  [0xe2, manage("STORE DATA")],
  [0xe4, manage("DELETE")],
  [0xe6, manage("INSTALL")],
  [0xe8, manage("LOAD")],
  [0xf0, manage("SET STATUS")],
  [0xf2, manage("GET STATUS")],
]);

/** What readers answer themselves for cards without contacts (PC/SC part 3, 3.2.2.1). */
export const readerCommands: Commands = new Map<number, Need | Judge>([
  [0xca, look("the number of a card without contacts")],
]);
