import { createCipheriv } from "node:crypto";
import { expect } from "vitest";
import { ManagementAlgorithm } from "../../src/software-cards/piv/algorithms.ts";
import { PivCard } from "../../src/software-cards/piv/card.ts";
import { provision } from "../../src/software-cards/piv/provision.ts";
import type { PivState } from "../../src/software-cards/piv/state.ts";

/** A card with a P-256 key in each slot, whose PIV application is selected, and how tests talk to it. */
export interface SelectedCard {
  readonly card: PivCard;
  /** What the card began with. Tests share it: a state is never changed, only replaced. */
  readonly provisioned: PivState;
  /** A command and its answer, both in hex. */
  say(command: string): Promise<string>;
  /** Proves to the card that one has the management key. */
  letIn(): Promise<void>;
}

const MANAGEMENT_KEY = { algorithm: ManagementAlgorithm.Aes128, value: new Uint8Array(16) };

let made: Promise<PivState> | undefined;

export async function selectedCard(): Promise<SelectedCard> {
  made ??= provision({
    name: "Alice",
    algorithm: 0x11,
    managementKey: MANAGEMENT_KEY,
    now: new Date("2026-11-24T10:00:00Z"),
  });
  const provisioned = await made;
  const card = new PivCard(provisioned);
  const say = async (command: string): Promise<string> =>
    hex(await card.process(Buffer.from(command, "hex")));
  expect(await say("00a4040005a000000308")).toMatch(/9000$/);
  return { card, provisioned, say, letIn: () => letIn(say) };
}

/** The single authentication (SP 800-73-4 part 2, appendix A.1), with the key of these tests' cards. */
export async function letIn(say: SelectedCard["say"]): Promise<void> {
  const challenge = Buffer.from((await say("0087089b047c02810000")).slice(8, 40), "hex");
  const cipher = createCipheriv("aes-128-ecb", MANAGEMENT_KEY.value, null).setAutoPadding(false);
  expect(await say(`0087089b147c128210${hex(cipher.update(challenge))}`)).toBe("9000");
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
