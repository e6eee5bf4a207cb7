import { expect, test } from "vitest";
import { linkToOneCard, soon } from "../../../test/link/one-card.ts";

/** A card that has eight bytes more after each command. */
const process = (command: Uint8Array): Uint8Array =>
  command[1] === 0xc0 ? Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 0x90, 0x00) : Uint8Array.of(0x61, 8);

test("an answer that was fetched ahead comes as the driver would have given it", async () => {
  await using subject = await linkToOneCard({ process });
  const session = await subject.connect();
  await session.begin({ signal: soon() });
  const pci = { send: 2, receive: 1 }; // the software reader leaves the latter as it is, as many drivers do
  const command = Uint8Array.of(0, 0xa4, 4, 0);
  const getResponse = Uint8Array.of(0, 0xc0, 0, 0, 8);
  await session.transmit(command, pci);
  const asked = await session.transmit(getResponse, pci);
  await session.transmit(command, pci);
  subject.linked.stall();
  const fetched = await session.transmit(getResponse, pci);
  subject.linked.flow();
  expect(fetched).toEqual(asked);
});
