import { createHash } from "node:crypto";
import { CardwireError } from "../../domain/errors.ts";
import { isHostAddress } from "../../domain/host-address.ts";

/** What an invitation tells the one who is invited. */
export interface Token {
  /** Where the card host is: names or addresses, the best first; 1 to {@link MAX_ADDRESSES}. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** SHA-256 of the SubjectPublicKeyInfo of the card host's authority, 32 bytes. */
  readonly fingerprint: Uint8Array;
  /** Shows that its holder was invited, 16 bytes. */
  readonly secret: Uint8Array;
}

export const MAX_ADDRESSES = 8;
export const TOKEN_SECRET_BYTES = 16;

const PREFIX = "cardwire-";
/** Stands in the word, where people see it, and at the beginning of the bytes. */
const VERSION = 1;
const FINGERPRINT_BYTES = 32;
/** So that a word that lost a character in the post is told from one of another host. */
const CHECK_BYTES = 4;
/** Where the addresses begin: version, port, fingerprint, secret, their number. */
const FIXED = 1 + 2 + FINGERPRINT_BYTES + TOKEN_SECRET_BYTES + 1;
/** More than the longest token has, characters. */
const MAX_CHARACTERS = 4_096;

/**
 * A token as one word: `cardwire-1-` and base64url of the version, the port (2 bytes, big-endian), fingerprint and
 * secret, the number of addresses, each address after its length (1 byte), and the first 4 bytes of the SHA-256 of all
 * that.
 *
 * @throws {RangeError} when it cannot be a token.
 */
export function encodeToken({ addresses, port, fingerprint, secret }: Token): string {
  const isRight =
    areAddresses(addresses) &&
    isPort(port) &&
    fingerprint.length === FINGERPRINT_BYTES &&
    secret.length === TOKEN_SECRET_BYTES;
  if (!isRight) throw new RangeError("that is no token");
  const bytes = Buffer.concat([
    Uint8Array.of(VERSION, port >> 8, port & 0xff),
    fingerprint,
    secret,
    Uint8Array.of(addresses.length),
    ...addresses.flatMap((one) => [Uint8Array.of(one.length), Buffer.from(one, "latin1")]),
  ]);
  return `${PREFIX}${VERSION}-${Buffer.concat([bytes, checkOf(bytes)]).toString("base64url")}`;
}

/**
 * Reads a token, with what a mail program may have put around it.
 *
 * @throws {CardwireError} `E_TOKEN`; no part of the text is in the message.
 */
export function parseToken(text: string): Token {
  const word = text.trim();
  const [, version, rest = ""] = /^cardwire-(\d{1,3})-([A-Za-z0-9_-]*)$/.exec(word) ?? [];
  if (word.length > MAX_CHARACTERS || version === undefined) throw noToken("that is no token");
  if (Number(version) !== VERSION)
    throw new CardwireError("E_TOKEN", `the token is of another kind (${version})`, {
      hint: "Install the same release of cardwire at both ends.",
    });
  const all = Buffer.from(rest, "base64url");
  const bytes = all.subarray(0, -CHECK_BYTES);
  // One text for one token: base64url has bits to spare at its end.
  const isWhole = all.toString("base64url") === rest && bytes.length > FIXED;
  if (!isWhole || !all.subarray(-CHECK_BYTES).equals(checkOf(bytes)))
    throw noToken("the token is damaged");
  const token = {
    port: bytes.readUInt16BE(1),
    fingerprint: new Uint8Array(bytes.subarray(3, 3 + FINGERPRINT_BYTES)),
    secret: new Uint8Array(bytes.subarray(3 + FINGERPRINT_BYTES, FIXED - 1)),
    addresses: addressesIn(bytes.subarray(FIXED), bytes[FIXED - 1] ?? 0),
  };
  if (bytes[0] !== VERSION || !isPort(token.port) || !areAddresses(token.addresses))
    throw noToken("the token makes no sense");
  return token;
}

const checkOf = (bytes: Uint8Array): Uint8Array =>
  createHash("sha256").update(bytes).digest().subarray(0, CHECK_BYTES);

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536;

const areAddresses = (addresses: readonly string[]): boolean =>
  addresses.length > 0 && addresses.length <= MAX_ADDRESSES && addresses.every(isHostAddress);

/** Nothing where they are not exactly so many. */
function addressesIn(bytes: Buffer, count: number): readonly string[] {
  const found: string[] = [];
  let at = 0;
  while (at < bytes.length && found.length < count) {
    const end = at + 1 + (bytes[at] ?? 0);
    if (end > bytes.length) return [];
    found.push(bytes.toString("latin1", at + 1, end));
    at = end;
  }
  return at === bytes.length && found.length === count ? found : [];
}

const noToken = (message: string): CardwireError =>
  new CardwireError("E_TOKEN", message, {
    hint: "Copy the whole word that 'cardwire invite' printed; it begins with cardwire-1-.",
  });
