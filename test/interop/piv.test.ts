import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../lab/programs.ts";
import { MAIN } from "./programs/cardwire.ts";
import { behindPcscd, inSoftware, type PivPlace, type Said } from "./programs/piv-places.ts";

// The programs that people administrate and use PIV cards with, on two copies of one card: one in the reader of a real
// pcscd, one in a software reader. Both begin the same, and so the programs must say the same in both, step for step.

let directory: string;
let places: readonly [PivPlace, PivPlace];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "cards-"));
  const file = join(directory, "alice.card");
  const made = await run("node", [MAIN, "card", "new", "piv", file, "--name", "Alice Example"]);
  if (made.status !== 0) throw new Error(made.stderr);
  places = [await behindPcscd(file), await inSoftware(file)];
});
afterAll(async () => {
  for (const place of places ?? []) await place[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** OpenSC shows its own numbers of objects, which are addresses. */
const comparable = ({ status, stdout, stderr }: Said) => ({
  status,
  stdout: stdout.replaceAll(/(?<=object )\d+/g, "N"),
  stderr,
});

async function inBoth(script: string): Promise<Said> {
  const [inPcscd, inCardwire] = await Promise.all(places.map((place) => place.say(script)));
  if (!inPcscd || !inCardwire) throw new Error("there are two places");
  expect(comparable(inCardwire)).toEqual(comparable(inPcscd));
  return inPcscd;
}

/** Debian has it in the folder of the architecture. */
const MODULE = "$(dpkg -L opensc-pkcs11 | grep -m1 '/opensc-pkcs11[.]so$')";
const LOGIN = "--login --pin 123456";
const YUBICO = "yubico-piv-tool -r Virtual";
const KEY = "0807060504030201080706050403020108070605040302aa";

/** Verifies what was signed with the key of a certificate that is read from the card. */
const withKeyOf = (id: string, script: string) => `set -e
  pkcs11-tool --read-object --type cert --id ${id} -o cert.der >/dev/null 2>&1
  openssl x509 -inform der -in cert.der -pubkey -noout >pub.pem
  echo 'to be signed' >message
  ${script}`;

/** Gives the public key in a file a certificate, which nobody has to believe. */
const CERTIFY = `certify() {
    openssl genrsa -out ca.key 2048 2>/dev/null
    openssl req -x509 -key ca.key -subj /CN=ca -out ca.crt
    echo "keyUsage=$2" >ext
    openssl x509 -new -force_pubkey $1 -subj /CN=bob -CA ca.crt -CAkey ca.key -extfile ext -out new.crt
  }`;

// In this order: what one changes, the next ones find.
const steps: readonly (readonly [what: string, script: string, shown: RegExp])[] = [
  ["opensc-tool knows what it is", "opensc-tool -n", /^Personal Identity Verification Card/],
  ["piv-tool reads the serial number", "piv-tool --serial", /^([0-9A-F]{2} ){16}/],
  ["pkcs15-tool shows all", "pkcs15-tool -D", /CARD AUTH key[^]*Certificate for Card Auth/],
  ["pkcs11-tool lists the token", "pkcs11-tool -L", /token label +: Alice Example/],
  ["pkcs11-tool lists its objects", "pkcs11-tool -O", /EC_POINT 256 bits[^]*CARD AUTH pubkey/],
  ["ssh-keygen lists its keys", `ssh-keygen -D ${MODULE}`, /^ssh-rsa .* PIV AUTH pubkey/],
  ["yubico-piv-tool shows all", `${YUBICO} -a status`, /Slot 9e:[^]*PIN tries left:\t3/],
  [
    "every certificate is its own issuer's",
    `for id in 01 02 03 04; do
       pkcs11-tool --read-object --type cert --id $id -o cert.der >/dev/null 2>&1
       openssl x509 -inform der -in cert.der -out cert.pem && openssl verify -CAfile cert.pem cert.pem
     done`,
    /^(cert\.pem: OK\n){4}$/,
  ],
  [
    "RSA signs, PKCS #1 v1.5",
    withKeyOf(
      "01",
      `pkcs11-tool ${LOGIN} --id 01 --sign -m SHA256-RSA-PKCS -i message -o signature 2>/dev/null
       openssl dgst -sha256 -verify pub.pem -signature signature message`,
    ),
    /^Verified OK/m,
  ],
  [
    "RSA signs, PSS",
    withKeyOf(
      "01",
      `pkcs11-tool ${LOGIN} --id 01 --sign -m SHA256-RSA-PKCS-PSS -i message -o signature 2>/dev/null
       openssl dgst -sha256 -sigopt rsa_padding_mode:pss -verify pub.pem -signature signature message`,
    ),
    /^Verified OK/m,
  ],
  [
    "P-256 signs, with a key that wants the PIN each time",
    withKeyOf(
      "02",
      `openssl dgst -sha256 -binary message >digest
       pkcs11-tool ${LOGIN} --id 02 --sign -m ECDSA -f openssl -i digest -o signature 2>/dev/null
       openssl dgst -sha256 -verify pub.pem -signature signature message`,
    ),
    /^Verified OK/m,
  ],
  [
    "P-256 signs without a PIN",
    withKeyOf("04", `${YUBICO} -a test-signature -s 9e -i cert.der --key-format DER`),
    /Successful ECDSA verification/,
  ],
  [
    "RSA decrypts",
    withKeyOf(
      "03",
      `openssl pkeyutl -encrypt -pubin -inkey pub.pem -in message -out secret
       pkcs11-tool ${LOGIN} --id 03 --decrypt -m RSA-PKCS -i secret 2>/dev/null`,
    ),
    /^to be signed$/m,
  ],
  ["pkcs11-tool's own test", `pkcs11-tool --test ${LOGIN}`, /^No errors$/m],
  ["a wrong PIN costs a try", `${YUBICO} -a verify-pin -P 654321`, /2 tries left/],
  [
    "the right one gives it back",
    `${YUBICO} -a verify-pin -P 123456 && ${YUBICO} -a status`,
    /PIN tries left:\t3/,
  ],
  [
    "three wrong ones block it, and the PUK unblocks it",
    `for i in 1 2 3 4; do ${YUBICO} -a verify-pin -P 000000; done
     ${YUBICO} -a unblock-pin -P 12345678 -N 471147 && ${YUBICO} -a verify-pin -P 471147`,
    /^Successfully unblocked the pin code\.$[^]*^Successfully verified PIN\.$/m,
  ],
  [
    "the PIN changes",
    `${YUBICO} -a change-pin -P 471147 -N 123456`,
    /^Successfully changed the pin/,
  ],
  [
    "the PUK changes",
    `${YUBICO} -a change-puk -P 12345678 -N 87654321`,
    /^Successfully changed the puk/,
  ],
  [
    "pkcs11-tool changes the PIN, too",
    `pkcs11-tool ${LOGIN} --change-pin --new-pin 654321 && pkcs11-tool --login --pin 654321 --change-pin --new-pin 123456`,
    /PIN successfully changed[^]*PIN successfully changed/,
  ],
  // OpenSC 0.23's piv-tool cannot write the public key with OpenSSL 3. The card has the key all the same.
  [
    "piv-tool makes a key, after card and program proved themselves",
    `echo 010203040506070801020304050607080102030405060708 | sed 's/../&:/g; s/:$//' >key
     export PIV_EXT_AUTH_KEY=$PWD/key
     piv-tool -A M:9B:03 -G 9A:07 -o pub.pem
     ${YUBICO} -a attest -s 9a | openssl x509 -noout -text | grep -E 'Subject:|Public-Key'`,
    /Subject: CN = PIV attestation 9a\n +Public-Key: \(2048 bit\)/,
  ],
  [
    "yubico-piv-tool makes a P-384 key, and imports its certificate with which OpenSC agrees on a secret",
    `set -e; ${CERTIFY}
     ${YUBICO} -a generate -s 9d -A ECCP384 -o pub.pem
     certify pub.pem keyAgreement
     ${YUBICO} -a import-certificate -s 9d -i new.crt
     openssl ecparam -name secp384r1 -genkey -noout -out other.key
     openssl pkey -in other.key -pubout -outform der -out other.der
     pkcs11-tool ${LOGIN} --id 03 --derive -m ECDH1-DERIVE -i other.der -o secret 2>/dev/null
     openssl pkeyutl -derive -inkey other.key -peerkey pub.pem -out expected
     cmp secret expected && echo the same secret`,
    /^the same secret$/m,
  ],
  [
    "yubico-piv-tool imports an RSA key, and tests it",
    `set -e
     openssl genrsa -out rsa.key 2048 2>/dev/null
     openssl req -x509 -key rsa.key -subj /CN=rsa -out rsa.crt
     ${YUBICO} -a import-key -s 9c -i rsa.key
     ${YUBICO} -a import-certificate -s 9c -i rsa.crt
     ${YUBICO} -a verify-pin -P 123456 -a test-signature -s 9c -i rsa.crt
     ${YUBICO} -a verify-pin -P 123456 -a test-decipher -s 9c -i rsa.crt`,
    /Successful RSA verification[^]*Successfully performed RSA decryption/,
  ],
  [
    "yubico-piv-tool imports a P-256 key into a retired slot",
    `set -e
     openssl ecparam -name prime256v1 -genkey -noout -out ec.key
     openssl req -x509 -key ec.key -subj /CN=ec -out ec.crt
     ${YUBICO} -a import-key -s 82 -i ec.key --pin-policy=never
     ${YUBICO} -a test-signature -s 82 -i ec.crt`,
    /Successful ECDSA verification/,
  ],
  // yubico-piv-tool 2.2 fails here by itself, with OpenSSL 3: no command reaches the card (its issue 388).
  [
    "yubico-piv-tool signs certificates, where it can",
    `${YUBICO} -a generate -s 9e -A ECCP256 -o pub.pem
     ${YUBICO} -a selfsign-certificate -s 9e -S /CN=bob/ -i pub.pem -o bob.crt`,
    /^/,
  ],
  [
    "yubico-piv-tool attests a key that the card made",
    `${YUBICO} -a attest -s 9d -o attestation.pem && ${YUBICO} -a read-certificate -s f9 -o f9.pem &&
     openssl verify -CAfile f9.pem attestation.pem; ${YUBICO} -a attest -s 9c`,
    /^attestation.pem: OK$/m,
  ],
  [
    "the management key changes, and the old one is refused",
    `${YUBICO} -a set-mgm-key -n ${KEY} && ${YUBICO} -k${KEY} -a set-chuid -a set-ccc; ${YUBICO} -a set-chuid`,
    /Successfully set new CHUID[^]*Successfully set new CCC/,
  ],
  [
    "an object is written, read and deleted",
    `echo 5a5b5c | ${YUBICO} -k${KEY} -a write-object --id 0x5fff10 -i - && ${YUBICO} -a read-object --id 0x5fff10
     ${YUBICO} -k${KEY} -a delete-certificate -s 9c && ${YUBICO} -a read-certificate -s 9c`,
    /^5a5b5c$/m,
  ],
  [
    "other numbers of tries",
    `${YUBICO} -k${KEY} -P 123456 -a verify-pin -a pin-retries --pin-retries 5 --puk-retries 4
     ${YUBICO} -a verify-pin -P 000000`,
    /pin retries to 5 and puk retries to 4/,
  ],
  [
    "a card that is blocked for good is reset",
    `${YUBICO} -a reset
     for i in 1 2 3 4 5; do ${YUBICO} -a verify-pin -P 000000; ${YUBICO} -a unblock-pin -P 00000000 -N 123456; done
     ${YUBICO} -a reset && ${YUBICO} -a verify-pin -P 123456`,
    /Successfully reset the application\.\nSuccessfully verified PIN/,
  ],
];

test.each(steps)("%s", async (_what, script, shown) => {
  const { stdout, stderr } = await inBoth(script);
  expect(stdout + stderr).toMatch(shown);
});

test("its file has what changed, and neither PINs nor keys were told", async () => {
  for (const { file } of places) {
    const { keys, serial } = JSON.parse(await readFile(file, "utf8")) as Record<string, object>;
    expect(Object.keys(keys ?? {})).toEqual(["f9"]);
    expect(serial).toBeTypeOf("number");
  }
});
