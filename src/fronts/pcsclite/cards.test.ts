import { describe, expect, test } from "vitest";
import { ProtocolError, ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { type FakeAnswers, fakeReader, fakeService } from "../../testing/index.ts";
import { Command } from "../../wire/pcsclite/constants.ts";
import { dialectOf } from "../../wire/pcsclite/dialects.ts";
import { Cards } from "./cards.ts";
import { Numbers } from "./numbers.ts";

const atr = Uint8Array.of(0x3b, 0);
const reader = fakeReader("Fake 00 00", { atr });
const wanted = {
  context: 1,
  reader: reader.name,
  share: 2,
  protocols: 3,
  card: 0,
  activeProtocol: 0,
  rv: 0,
} as const;
const speech = { dialect: dialectOf(4), order: "little" } as const;
const payload = new Uint8Array(0);

function cards(answers: FakeAnswers = {}) {
  const service = fakeService([reader], answers);
  const life = new AbortController();
  const { signal } = life;
  const of = new Cards(service, { numbers: new Numbers(), principal: { name: "test" }, signal });
  return { of, service, life };
}

describe("Cards", () => {
  test("a handle that comes after its application died is given up", async () => {
    const { service, life } = cards();
    const of = new Cards(
      {
        readers: service.readers,
        watch: (options) => service.watch(options),
        async connect(name, how) {
          const opened = await service.connect(name, how, { signal: new AbortController().signal });
          life.abort(); // too late to be heeded
          return opened;
        },
        [Symbol.asyncDispose]: async () => {},
      },
      { numbers: new Numbers(), principal: { name: "test" }, signal: life.signal },
    );
    expect(await of.connect(wanted)).toMatchObject({ rv: Rv.Cancelled });
    expect(service.log).toEqual(["connect Fake 00 00", "abandon"]);
    expect(service.readers[0]?.sharing).toBe(0);
  });

  test("a handle that is not its own is a breach, not a result", async () => {
    const { of } = cards();
    const body = { card: 77, rv: 0 };
    const reply = of.reply({ command: Command.Status, body, payload }, speech);
    await expect(reply).rejects.toBeInstanceOf(ProtocolError);
  });

  test("a handle is forgotten only when its disconnect went well", async () => {
    let refuse = true;
    const { of } = cards({
      before: ({ name }) => {
        if (name === "disconnect" && refuse)
          throw new ReturnCodeError("SCardDisconnect", Rv.InvalidValue);
      },
    });
    const { card } = await of.connect(wanted);
    const disconnect = async () => {
      const body = { card, disposition: 0, rv: 0 };
      const bytes = await of.reply({ command: Command.Disconnect, body, payload }, speech);
      return Buffer.from(bytes).readUInt32LE(8);
    };
    expect(await disconnect()).toBe(Rv.InvalidValue);
    refuse = false;
    expect(await disconnect()).toBe(0);
    await expect(disconnect()).rejects.toBeInstanceOf(ProtocolError);
  });

  test("what is no result of PC/SC's is not turned into one", async () => {
    const { of } = cards({
      before: () => {
        throw new TypeError("a mistake of ours");
      },
    });
    await expect(of.connect(wanted)).rejects.toThrow("a mistake of ours");
  });

  test("all handles end with the application", async () => {
    const { of, service } = cards();
    for (let times = 0; times < 3; times++) await of.connect(wanted);
    expect(service.readers[0]?.sharing).toBe(3);
    await of.abandon();
    await of.abandon();
    expect(service.readers[0]?.sharing).toBe(0);
    expect(service.log.filter((call) => call === "abandon")).toHaveLength(3);
  });
});
