import { encodeName, extension, subjectOf } from "../../wire/asn1/certificate.ts";
import { unsignedInteger } from "../../wire/asn1/der.ts";
import { type Command, readObjects, Sw } from "./command.ts";
import { Container } from "./containers.ts";
import { loadKey } from "./keys.ts";
import { makeCertificate, validityOf } from "./make-certificate.ts";
import { isSlot, Slot } from "./slots.ts";
import type { StoredKey } from "./state.ts";
import { serialBytes, VERSION } from "./yubico.ts";

/** Yubico's arc for what an attestation says. */
const ARC = "1.3.6.1.4.1.41482.3";
const NO_TOUCH = 1;
/** Form factor 0: none that is known. */
const UNKNOWN_FORM = 0;

/** What a certificate's container holds it in (SP 800-73-4 part 1, table 10). */
const CERTIFICATE = 0x70;

/**
 * ATTEST (YubiKey): a certificate of the key in slot P1, signed by the one in F9, which says that the card made it. For
 * a key that was imported there is none, nor with a key in F9 that cannot sign.
 */
export const attest: Command = ({ state }, { p1, p2 }) => {
  if (p2 !== 0 || !isSlot(p1) || p1 === Slot.Attestation) return { sw: Sw.WrongP1P2 };
  const key = state.keys.get(p1);
  const signer = state.keys.get(Slot.Attestation);
  const container = state.objects.get(Container.AttestationCertificate);
  const issuer = readObjects(container ?? new Uint8Array(0))?.find(
    ({ tag }) => tag === CERTIFICATE,
  );
  if (!key || !signer || !issuer) return { sw: Sw.ReferenceNotFound };
  if (key.origin !== "generated") return { sw: Sw.WrongData };
  const certificate = certify(key, {
    subject: encodeName(["CN", `PIV attestation ${p1.toString(16)}`]),
    signer,
    issuer: issuer.value,
    serial: serialBytes(state),
  });
  return certificate ? { sw: Sw.Success, data: certificate } : { sw: Sw.ConditionsNotSatisfied };
};

interface Attestation {
  readonly subject: Uint8Array;
  readonly signer: StoredKey;
  /** The certificate of the key that signs. */
  readonly issuer: Uint8Array;
  readonly serial: Uint8Array;
}

/** Undefined where F9 cannot attest: PUT DATA and IMPORT take anything for it, such as a key that only agrees. */
function certify(
  key: StoredKey,
  { subject, signer, issuer, serial }: Attestation,
): Uint8Array | undefined {
  try {
    return makeCertificate({
      subject,
      key: loadKey(key),
      issuer: { name: subjectOf(issuer), key: loadKey(signer) },
      ...validityOf(issuer),
      extensions: statements(key, serial),
    });
  } catch {
    return undefined;
  }
}

const statements = ({ pinPolicy }: StoredKey, serial: Uint8Array): readonly Uint8Array[] => [
  extension(`${ARC}.3`, Uint8Array.from(VERSION)),
  extension(`${ARC}.7`, unsignedInteger(serial)),
  extension(`${ARC}.8`, Uint8Array.of(pinPolicy, NO_TOUCH)),
  extension(`${ARC}.9`, Uint8Array.of(UNKNOWN_FORM)),
];
