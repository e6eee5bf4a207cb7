import { expect, test } from "vitest";
import { cardServiceContract } from "../../testing/card-service-contract.ts";
import { Rv } from "../../domain/return-codes.ts";
import { SoftwareReaders } from "./service.ts";

const card = {
  atr: Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01),
  process: () => Uint8Array.of(0x6a, 0x82),
};

cardServiceContract(test, async () => {
  const service = new SoftwareReaders(["Software 00 00", "Software 01 00"]);
  await service.insert("Software 00 00", card);
  return {
    service,
    attribute: 0x9_0303,
    pull: async () => service.pull("Software 00 00"),
    insert: async () => await service.insert("Software 00 00", card),
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
});

test("a card that is pulled in the middle ends what waits for it, and hears none of it later", async () => {
  const asked: string[] = [];
  let answer = (_bytes: Uint8Array): void => {};
  const slow = {
    atr: card.atr,
    reset: () => void asked.push("reset"),
    process: (command: Uint8Array) => {
      asked.push(Buffer.from(command).toString("hex"));
      return new Promise<Uint8Array>((resolve) => (answer = resolve));
    },
  };
  await using service = new SoftwareReaders(["Software 00 00"]);
  await service.insert("Software 00 00", slow);
  const { session } = await service.connect(
    "Software 00 00",
    { share: 2, protocols: 3, principal: { name: "test" } },
    { signal: AbortSignal.timeout(20_000) },
  );
  const pci = { send: 2, receive: 2 };
  const told = Promise.allSettled([
    session.transmit(Uint8Array.of(1), pci),
    session.transmit(Uint8Array.of(2), pci),
    session.disconnect(1),
  ]);
  await expect.poll(() => asked.at(-1)).toBe("01");
  service.pull("Software 00 00");
  const refused = { reason: { rv: Rv.NoSmartcard } };
  expect(await told).toMatchObject([refused, refused, { status: "fulfilled" }]);
  asked.length = 0;
  answer(Uint8Array.of(0x90, 0));
  await new Promise(setImmediate);
  expect(asked).toEqual([]);
});
