import { test } from "vitest";
import { cardServiceContract } from "../../testing/card-service-contract.ts";
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
