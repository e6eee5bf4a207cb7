import { createHash, verify, X509Certificate } from "node:crypto";
import type { Card } from "../../client/card.ts";
import type { Client } from "../../client/client.ts";
import { CardwireError } from "../../domain/errors.ts";
import { DEFAULT_PIN } from "../../software-cards/piv/state.ts";
import { encodeTlv, findTlv } from "../../wire/iso7816/tlv.ts";
import { certificateText } from "./certificate-text.ts";
import { MESSAGE, type Walk } from "./step.ts";

// The commands are those of NIST SP 800-73-4, part 2; keys and signatures as SP 800-78-4 has them.

const AID = Buffer.from("a000000308", "hex");
/** X.509 Certificate for PIV Authentication (SP 800-73-4, part 1, table 3). */
const CERTIFICATE = Buffer.from("5fc105", "hex");
const LONGEST = 0x1_0000;
/** ASN.1 before a SHA-256 digest in a PKCS #1 signature (RFC 8017, 9.2, note 1). */
const SHA256_PREFIX = Buffer.from("3031300d060960864801650304020105000420", "hex");
const RSA_2048 = 0x07;
const AUTHENTICATION_KEY = 0x9a;

/** The walk with the PC/SC client of this package, for where OpenSC is not installed. */
export function walkByClient(client: Client): Walk {
  let certificate: X509Certificate | undefined;
  let signature: Uint8Array | undefined;
  const withCard = async <T>(signal: AbortSignal, use: (card: Card) => Promise<T>): Promise<T> => {
    const { name } = await client.waitForCard({ signal });
    await using card = await client.connect(name, { signal });
    await using _alone = await card.transaction({ signal });
    await card.must({ ins: 0xa4, p1: 0x04, data: AID, le: 0x100 });
    return await use(card);
  };
  return {
    by: "cardwire's own PC/SC client",
    steps: [
      {
        name: "list",
        by: "SCardListReaders",
        run: async ({ signal }) => `${(await client.waitForCard({ signal })).name}: card present`,
      },
      {
        name: "read",
        by: "GET DATA 5FC105",
        run: async ({ signal }) =>
          await withCard(signal, async (card) => {
            const data = encodeTlv(0x5c, CERTIFICATE);
            const object = await card.must({ ins: 0xcb, p1: 0x3f, p2: 0xff, data, le: LONGEST });
            certificate = certificateIn(object);
            return certificateText(certificate);
          }),
      },
      {
        name: "sign",
        by: "VERIFY, GENERAL AUTHENTICATE 9A",
        run: async ({ signal }) =>
          await withCard(signal, async (card) => {
            const pin = Buffer.alloc(8, 0xff);
            pin.write(DEFAULT_PIN);
            await card.must({ ins: 0x20, p2: 0x80, data: pin });
            const bytes = await sign(card);
            signature = bytes;
            return `a signature of ${bytes.length} bytes`;
          }),
      },
      {
        name: "check",
        by: "with the public key of the certificate",
        run: async () => {
          if (!certificate || !signature) throw new CardwireError("E_DEMO", "nothing was signed");
          if (!verify("sha256", MESSAGE, certificate.publicKey, signature))
            throw new CardwireError("E_DEMO", "the signature is not good");
          return "the signature is good";
        },
      },
    ],
  };
}

/** What lies in a certificate's container (SP 800-73-4, part 1, appendix A, table 10). */
function certificateIn(object: Uint8Array): X509Certificate {
  const bytes = findTlv(findTlv(object, 0x53) ?? object, 0x70);
  if (!bytes) throw new CardwireError("E_DEMO", "the card has no certificate");
  return new X509Certificate(bytes);
}

/** RSASSA-PKCS1-v1_5 with SHA-256: what is padded here, and the power of the private key there. */
async function sign(card: Card): Promise<Uint8Array> {
  const digest = Buffer.concat([SHA256_PREFIX, createHash("sha256").update(MESSAGE).digest()]);
  const filling = Buffer.alloc(2048 / 8 - digest.length - 3, 0xff);
  const padded = Buffer.concat([Buffer.of(0, 1), filling, Buffer.of(0), digest]);
  const data = encodeTlv(0x7c, encodeTlv(0x82), encodeTlv(0x81, padded));
  const where = { p1: RSA_2048, p2: AUTHENTICATION_KEY };
  const answer = await card.must({ ins: 0x87, ...where, data, le: LONGEST });
  const signature = findTlv(findTlv(answer, 0x7c) ?? answer, 0x82);
  if (!signature) throw new CardwireError("E_DEMO", "the card did not sign");
  return signature;
}
