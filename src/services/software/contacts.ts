import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { SoftwareCard } from "../../software-cards/card.ts";

/** What a reader does to the card in it. One call at a time, but {@link powerOff}, which may come in the middle. */
export interface Contacts {
  /**
   * Gives it power, or resets it under power.
   *
   * @returns its answer to reset; empty when it gave none.
   */
  powerOn(how: "cold" | "warm"): Promise<Uint8Array>;
  powerOff(): void;
  /** What becomes of a command to a card without power is the card's matter. @throws when it is gone, or has no answer. */
  transmit(command: Uint8Array): Promise<Uint8Array>;
}

/** A card of this process in a reader. */
export function contactsOf(card: SoftwareCard): Contacts {
  let isPowered = false;
  return {
    powerOn: async () => {
      isPowered = true;
      card.reset?.();
      return card.atr;
    },
    powerOff: () => {
      isPowered = false;
      card.reset?.();
    },
    transmit: async (command) => {
      if (!isPowered) throw new ReturnCodeError("SCardTransmit", Rv.NotTransacted);
      return await card.process(command);
    },
  };
}
