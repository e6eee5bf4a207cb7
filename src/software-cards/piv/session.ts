import { PinPolicy } from "./slots.ts";

/** What the card waits to see encrypted or decrypted, from one GENERAL AUTHENTICATE to the next. */
export interface Challenge {
  readonly role: "external" | "mutual";
  readonly expected: Uint8Array;
}

/** What the card forgets when it is reset: its security status. A plain value. */
export interface Session {
  readonly isSelected: boolean;
  /** "just now": VERIFY was the command before, which keys with the rule "PIN always" want. */
  readonly pin: "no" | "verified" | "just now";
  readonly globalPin: "no" | "verified" | "just now";
  readonly hasManagementKey: boolean;
  readonly challenge?: Challenge | undefined;
}

export const freshSession: Session = {
  isSelected: false,
  pin: "no",
  globalPin: "no",
  hasManagementKey: false,
};

/** Whether a PIN that counts was verified at all. */
export const isPinVerified = ({ pin, globalPin }: Session): boolean =>
  pin !== "no" || globalPin !== "no";

/** Whether a key with that rule may be used. */
export function satisfies(session: Session, policy: PinPolicy): boolean {
  const { pin, globalPin } = session;
  if (policy === PinPolicy.Never) return true;
  if (policy === PinPolicy.Once) return isPinVerified(session);
  return pin === "just now" || globalPin === "just now";
}

/** After a command that is no VERIFY: "PIN always" wants it again. */
export const afterAnother = (session: Session): Session => ({
  ...session,
  pin: session.pin === "just now" ? "verified" : session.pin,
  globalPin: session.globalPin === "just now" ? "verified" : session.globalPin,
});
