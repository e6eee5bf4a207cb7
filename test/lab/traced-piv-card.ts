import { setTimeout as delay } from "node:timers/promises";
import { PivCard } from "../../src/software-cards/piv/card.ts";
import { emptyState } from "../../src/software-cards/piv/state.ts";
import type { VirtualCard } from "./card.ts";

export interface TracedPivCard {
  readonly serial: number;
  /** How long its first answer of all takes, ms: a card that hangs. */
  readonly hangsMs?: number;
}

/** A PIV card that keeps a record of all that comes to it: `on`, `off`, `reset`, and APDUs in hex. */
export function createCard(options: unknown): VirtualCard {
  const { serial, hangsMs = 0 } = options as TracedPivCard;
  const card = new PivCard(emptyState(serial));
  const trace: string[] = [];
  let isFirst = true;
  return {
    atr: card.atr,
    power(on) {
      trace.push(on ? "on" : "off");
      card.reset();
    },
    reset() {
      trace.push("reset");
      card.reset();
    },
    async transmit(apdu) {
      trace.push(Buffer.from(apdu).toString("hex"));
      if (isFirst) await delay(hangsMs);
      isFirst = false;
      return await card.process(apdu);
    },
    report: () => ({ trace }),
  };
}
