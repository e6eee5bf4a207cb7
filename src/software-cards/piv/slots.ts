/** When a key wants the PIN. The numbers are YubiKey's. */
export const PinPolicy = { Never: 1, Once: 2, Always: 3 } as const;
export type PinPolicy = (typeof PinPolicy)[keyof typeof PinPolicy];

/** Key references with a meaning of their own (SP 800-73-4 part 1, table 4b). */
export const Slot = {
  Authentication: 0x9a,
  Management: 0x9b,
  Signature: 0x9c,
  KeyManagement: 0x9d,
  CardAuthentication: 0x9e,
  /** YubiKey's, which signs attestations. */
  Attestation: 0xf9,
} as const;

/** A place for an asymmetric key: 9A, 9C, 9D, 9E, the retired ones 82 to 95, and F9. */
export type SlotNumber = number;

const FIRST_RETIRED = 0x82;
const LAST_RETIRED = 0x95;

export const isSlot = (reference: number): reference is SlotNumber =>
  reference === Slot.Authentication ||
  reference === Slot.Signature ||
  reference === Slot.KeyManagement ||
  reference === Slot.CardAuthentication ||
  reference === Slot.Attestation ||
  (reference >= FIRST_RETIRED && reference <= LAST_RETIRED);

/** The rule that SP 800-73-4 (part 1, table 4b) has for a slot. */
export function defaultPinPolicy(slot: SlotNumber): PinPolicy {
  if (slot === Slot.Signature) return PinPolicy.Always;
  return slot === Slot.CardAuthentication ? PinPolicy.Never : PinPolicy.Once;
}
