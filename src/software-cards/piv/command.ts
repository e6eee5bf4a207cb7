import { ProtocolError } from "../../domain/errors.ts";
import type { CommandApdu } from "../../wire/iso7816/apdu.ts";
import { parseTlv, type Tlv } from "../../wire/iso7816/tlv.ts";
import type { Session } from "./session.ts";
import type { PivState } from "./state.ts";

/** Status words that the card answers; `63CX` is made by {@link wrongWithTriesLeft}. */
export const Sw = {
  Success: 0x9000,
  MemoryFailure: 0x6581,
  WrongLength: 0x6700,
  LogicalChannelNotSupported: 0x6881,
  SecureMessagingNotSupported: 0x6882,
  SecurityStatusNotSatisfied: 0x6982,
  Blocked: 0x6983,
  ConditionsNotSatisfied: 0x6985,
  WrongData: 0x6a80,
  FunctionNotSupported: 0x6a81,
  NotFound: 0x6a82,
  NotEnoughMemory: 0x6a84,
  WrongParameters: 0x6a86,
  ReferenceNotFound: 0x6a88,
  WrongP1P2: 0x6b00,
  InstructionNotSupported: 0x6d00,
  ClassNotSupported: 0x6e00,
} as const;

/** What a command sees of the card. */
export interface Situation {
  readonly state: PivState;
  readonly session: Session;
}

/** What a command answers, and what it changes. Nothing of it is in force before the new state is stored. */
export interface Answer {
  readonly sw: number;
  readonly data?: Uint8Array;
  readonly state?: PivState;
  readonly session?: Session;
}

/** One command of the card: it changes nothing itself. */
export type Command = (situation: Situation, apdu: CommandApdu) => Answer | Promise<Answer>;

export const wrongWithTriesLeft = (left: number): number => 0x63c0 | Math.min(left, 0x0f);

/** The data objects in a command's data; undefined where they are malformed, which is `6A80`. */
export function readObjects(bytes: Uint8Array): readonly Tlv[] | undefined {
  try {
    return parseTlv(bytes);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** The value of the only object in a command's data, when it has that tag. */
export function readOnly(bytes: Uint8Array, tag: number): Uint8Array | undefined {
  const objects = readObjects(bytes);
  const [first] = objects ?? [];
  return objects?.length === 1 && first?.tag === tag ? first.value : undefined;
}
