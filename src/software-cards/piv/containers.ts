import { Slot, type SlotNumber } from "./slots.ts";

/** Tags of data objects (SP 800-73-4 part 1, table 3). */
export const Container = {
  Discovery: 0x7e,
  BiometricGroup: 0x7f61,
  CardCapability: 0x5fc107,
  CardHolderId: 0x5fc102,
  AuthenticationCertificate: 0x5fc105,
  Fingerprints: 0x5fc103,
  SecurityObject: 0x5fc106,
  FacialImage: 0x5fc108,
  PrintedInformation: 0x5fc109,
  SignatureCertificate: 0x5fc10a,
  KeyManagementCertificate: 0x5fc10b,
  KeyHistory: 0x5fc10c,
  CardAuthenticationCertificate: 0x5fc101,
  FirstRetiredCertificate: 0x5fc10d,
  IrisImages: 0x5fc121,
  SecureMessagingCertificate: 0x5fc122,
  PairingCode: 0x5fc123,
  /** YubiKey's: the certificate of the key that attests. */
  AttestationCertificate: 0x5fff01,
} as const;

const wantPin: ReadonlySet<number> = new Set([
  Container.Fingerprints,
  Container.FacialImage,
  Container.PrintedInformation,
  Container.IrisImages,
  Container.PairingCode,
]);

/** Whether it is read only after the PIN was verified (SP 800-73-4 part 1, table 2). */
export const wantsPin = (tag: number): boolean => wantPin.has(tag);

/** Whether PUT DATA takes it: the tags of three bytes that begin with 5F, as YubiKeys do. */
export const isStorable = (tag: number): boolean => tag >= 0x5f_0000 && tag <= 0x5f_ffff;

/** The longest object, bytes. SP 800-73-4 part 1, table 7 goes up to 12,710, for a photograph. */
export const MAX_OBJECT = 16_384;

/** Where the certificate of a slot's key lies. */
export function certificateContainer(slot: SlotNumber): number {
  switch (slot) {
    case Slot.Authentication:
      return Container.AuthenticationCertificate;
    case Slot.Signature:
      return Container.SignatureCertificate;
    case Slot.KeyManagement:
      return Container.KeyManagementCertificate;
    case Slot.CardAuthentication:
      return Container.CardAuthenticationCertificate;
    case Slot.Attestation:
      return Container.AttestationCertificate;
    default:
      return Container.FirstRetiredCertificate + slot - 0x82;
  }
}
