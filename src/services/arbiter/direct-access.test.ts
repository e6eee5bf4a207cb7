import { expect, test } from "vitest";
import { ShareMode } from "../../domain/pcsc.ts";
import { SoftwareReaders } from "../software/service.ts";
import { Arbiter } from "./arbiter.ts";

const NAME = "Card 00 00";
const ATR = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const COMMAND = Uint8Array.of(0x00, 0xa4, 0x04, 0x00);
const PCI = { send: 2, receive: 2 };
const within = () => ({ signal: AbortSignal.timeout(5_000) });

test("a hand-over to direct access keeps the protocol that the card had, as without one", async () => {
  const readers = new SoftwareReaders([NAME]);
  let resets = 0;
  const process = () => Uint8Array.of(0x90, 0x00);
  await readers.insert(NAME, { atr: ATR, process, reset: () => void (resets += 1) });
  await using arbiter = new Arbiter(readers, { lateMs: 0 });
  const connect = async (name: string, share: number) =>
    (await arbiter.connect(NAME, { share, protocols: 3, principal: { name } }, within())).session;
  const alice = await connect("alice", ShareMode.Shared);
  await alice.transmit(COMMAND, PCI);
  const bob = await connect("bob", ShareMode.Direct);
  const before = resets;
  expect((await bob.transmit(COMMAND, PCI)).data).toEqual(Uint8Array.of(0x90, 0x00));
  expect(resets).toBeGreaterThan(before);
});
