/** For tests to choose: nobody has such by chance. */
export const OWN_PINS = ["739152", "604418"] as const;

/** PINs and PUKs of the tests' cards, those of a new card first. */
export const PINS = ["123456", "12345678", "654321", ...OWN_PINS] as const;

/** How a secret's bytes may be written down. */
function forms(pin: string): readonly string[] {
  const bytes = [...Buffer.from(pin)];
  const hex = bytes.map((byte) => byte.toString(16)).join("[ :,]?(?:0x)?");
  // The last digits of base64 depend on what follows: on FF in the block of a VERIFY.
  const base64 = Buffer.from(pin).toString("base64").replace(/=+$/, "").slice(0, 8);
  return [
    `(?<![0-9a-z.:])${pin}(?![0-9a-z])`, // and not a part of a time or of another number
    hex,
    bytes.join(", ?"),
    base64.length === 8 ? base64 : `${base64}(?=[0-9A-Za-z+/])`,
  ];
}

/** Private keys, whichever they are: by the words around them, and by what all of a kind begin with (PKCS #8, SEC 1). */
const KEYS = [
  "-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg",
  "MIIE[uv][0-9A-Za-z+/]IBADANBgkqhkiG9w0BAQEFAASC",
  "MHcCAQEEI[0-9A-Za-z+/]{40}",
  "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420",
] as const;

const patterns = [
  ...PINS.flatMap((pin) =>
    forms(pin).map((form) => [`a PIN of ${pin.length} digits`, form] as const),
  ),
  ...KEYS.map((form) => ["a private key", form] as const),
].map(([what, form]) => [what, new RegExp(form, "i")] as const);

/** Longer than whatever is looked for, characters: so much of what came before is looked at once more. */
const OVERLAP = 128;

/** Which secrets are in a text, by what they are: never the secrets themselves. */
export const secretsIn = (text: string): readonly string[] => {
  const found = patterns.flatMap(([what, pattern]) => (pattern.test(text) ? [what] : []));
  return [...new Set(found)];
};

/** Looks for secrets in what comes piece by piece. */
export class SecretStream {
  #before = "";
  #bytes = 0;

  /** How much came. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @returns what is in it, and where it began before. */
  push(chunk: Uint8Array): readonly string[] {
    this.#bytes += chunk.length;
    const text = this.#before + Buffer.from(chunk).toString("latin1");
    this.#before = text.slice(-OVERLAP);
    return secretsIn(text);
  }
}
