import { describe, expect, test } from "vitest";
import { ReturnCodeError } from "../domain/errors.ts";
import { Rv } from "../domain/return-codes.ts";
import { cardServiceContract, fakeReader, fakeService } from "./index.ts";

const atr = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const card = fakeReader("Fake 00 00", { atr });
const empty = fakeReader("Fake 00 01");
const how = { share: 2, protocols: 3, principal: { name: "test" } };
const { signal } = new AbortController();

describe("fakeService", () => {
  cardServiceContract(test, async () => {
    const service = fakeService([card, empty]);
    return {
      service,
      attribute: 0x90303,
      pull: async () => service.pull(card.name),
      insert: async () => service.insert(card.name, atr),
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  });

  test("answers as the test says, and remembers what was called", async () => {
    const service = fakeService([card], {
      transmit: (apdu) => Uint8Array.of(...apdu, 0x90, 0x00),
      control: (code) => (code === 1 ? Uint8Array.of(7) : undefined),
    });
    const { session } = await service.connect(card.name, how, { signal });
    expect(await session.transmit(Uint8Array.of(1, 2), { send: 2, receive: 2 })).toEqual({
      data: Uint8Array.of(1, 2, 0x90, 0x00),
      receiveProtocol: 2,
    });
    expect(await session.control(1, new Uint8Array(0))).toEqual(Uint8Array.of(7));
    await session.disconnect(0);
    await service[Symbol.asyncDispose]();
    expect(service.log).toEqual([
      "connect Fake 00 00",
      "transmit 0102",
      "control 0x1",
      "disconnect 0",
      "close",
    ]);
  });

  test("refuses a call where the test wants it", async () => {
    const service = fakeService([card], {
      before: ({ name }) => {
        if (name === "begin") throw new ReturnCodeError("SCardBeginTransaction", Rv.CommError);
      },
    });
    const { session } = await service.connect(card.name, how, { signal });
    await expect(session.begin({ signal })).rejects.toMatchObject({ rv: Rv.CommError });
    await session.status();
  });

  test("readers come and go", async () => {
    const service = fakeService([card]);
    service.plug(empty);
    expect(service.readers).toEqual([card, empty]);
    const { session } = await service.connect(card.name, how, { signal });
    service.unplug(card.name);
    expect(service.readers).toEqual([empty]);
    await expect(session.status()).rejects.toMatchObject({ rv: Rv.RemovedCard });
  });
});
