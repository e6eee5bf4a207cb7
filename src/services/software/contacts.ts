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
  /** @throws when the card is gone. */
  transmit(command: Uint8Array): Promise<Uint8Array>;
}

/** A card of this process in a reader. */
export function contactsOf(card: SoftwareCard): Contacts {
  return {
    powerOn: async () => {
      card.reset?.();
      return card.atr;
    },
    powerOff: () => card.reset?.(),
    transmit: async (command) => await card.process(command),
  };
}
