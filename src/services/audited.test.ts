import { expect, test } from "vitest";
import type { AuditRecord } from "../audit/record.ts";
import { CardwireError, ReturnCodeError } from "../domain/errors.ts";
import { Disposition, ShareMode } from "../domain/pcsc.ts";
import { Rv } from "../domain/return-codes.ts";
import { cardServiceContract } from "../testing/card-service-contract.ts";
import { fakeReader, fakeService } from "../testing/fake-service.ts";
import { audited } from "./audited.ts";

const NAME = "Card 00 00";
const ATR = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const VERIFY = Buffer.from("0020008008313233343536ffff", "hex");
const how = { share: ShareMode.Shared, protocols: 3, principal: { name: "alice" } };
const within = () => ({ signal: AbortSignal.timeout(5_000) });
const PCI = { send: 2, receive: 2 };

function scene() {
  const records: AuditRecord[] = [];
  const note = (record: AuditRecord) => void records.push(record);
  const fake = fakeService([fakeReader(NAME, { atr: ATR }), fakeReader("Empty 00 01")], {
    transmit: () => Uint8Array.of(0x63, 0xc2),
  });
  return { fake, records, note };
}

cardServiceContract(test, async () => {
  const { fake, note } = scene();
  const service = audited(fake, { admit: () => {}, note }, "alice");
  return {
    service,
    attribute: 0x90303,
    pull: async () => fake.pull(NAME),
    insert: async () => fake.insert(NAME, ATR),
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
});

test("handles and commands are recorded, and no PIN is", async () => {
  const { fake, records, note } = scene();
  await using service = audited(fake, { admit: () => {}, note }, "alice");
  const { session } = await service.connect(NAME, how, within());
  await session.transmit(VERIFY, PCI);
  await expect(session.control(0x42000db2, VERIFY)).rejects.toThrow("SCardControl");
  await session.disconnect(Disposition.Leave);
  await expect(service.connect("Empty 00 01", how, within())).rejects.toThrow("SCardConnect");
  const who = { identity: "alice", reader: NAME, card: "3b80800101" };
  const ms = expect.any(Number);
  expect(records).toEqual([
    { event: "connect", ...who, share: 2 },
    {
      event: "command",
      ...who,
      command: "VERIFY",
      header: "00200080",
      sent: 13,
      received: 2,
      sw: "63c2",
      ms,
    },
    {
      event: "control",
      ...who,
      code: "0x42000db2",
      sent: 13,
      result: "SCARD_E_UNSUPPORTED_FEATURE",
      ms,
    },
    { event: "disconnect", ...who, commands: 1, ms },
    {
      event: "connect",
      identity: "alice",
      reader: "Empty 00 01",
      card: undefined,
      share: 2,
      result: "SCARD_E_NO_SMARTCARD",
    },
  ]);
  expect(JSON.stringify(records)).not.toMatch(/3132|123456/);
});

test("what else is done to a card is recorded: attributes, and resets", async () => {
  const { fake, records, note } = scene();
  await using service = audited(fake, { admit: () => {}, note }, "alice");
  const { session } = await service.connect(NAME, how, within());
  await session.setAttribute(0x7a007, VERIFY).catch(() => {});
  await session.reconnect(how, Disposition.Leave);
  await session.reconnect(how, Disposition.Unpower);
  await session.begin(within());
  await session.end(Disposition.Leave);
  await session.begin(within());
  await session.end(Disposition.Reset);
  await expect(session.end(Disposition.Reset)).rejects.toThrow("SCardEndTransaction");
  await session.disconnect(Disposition.Reset);
  const who = { identity: "alice", reader: NAME, card: "3b80800101" };
  const ms = expect.any(Number);
  expect(records.slice(1)).toEqual([
    {
      event: "attribute",
      ...who,
      id: "0x7a007",
      sent: 13,
      result: "SCARD_E_UNSUPPORTED_FEATURE",
      ms,
    },
    { event: "reset", ...who, by: "reconnect", disposition: "unpower", ms },
    { event: "reset", ...who, by: "end", disposition: "reset", ms },
    { event: "disconnect", ...who, disposition: "reset", commands: 0, ms },
  ]);
});

test("where nothing may happen that is not recorded, nothing reaches the card", async () => {
  const { fake, note } = scene();
  let isBroken = false;
  const admit = () => {
    if (isBroken) throw new CardwireError("E_AUDIT", "the audit log cannot be written");
  };
  await using service = audited(fake, { admit, note }, "alice");
  const { session } = await service.connect(NAME, how, within());
  await session.begin(within());
  isBroken = true;
  const calls = fake.log.length;
  await expect(session.transmit(VERIFY, PCI)).rejects.toThrow("the audit log cannot be written");
  await expect(service.connect(NAME, how, within())).rejects.toThrow("the audit log");
  await expect(session.setAttribute(1, VERIFY)).rejects.toThrow("the audit log");
  await expect(session.reconnect(how, Disposition.Reset)).rejects.toThrow("the audit log");
  expect(fake.log.length).toBe(calls);
  await session.end(Disposition.Reset); // what ends something is never refused
  await session.abandon();
});

test("what is refused for being too much is left to whoever refuses it", async () => {
  const { records, note } = scene();
  const busy = () => {
    throw new ReturnCodeError("SCardTransmit", Rv.ServerTooBusy);
  };
  const fake = fakeService([fakeReader(NAME, { atr: ATR })], { transmit: busy });
  await using service = audited(fake, { admit: () => {}, note }, "alice");
  const { session } = await service.connect(NAME, how, within());
  await expect(session.transmit(VERIFY, PCI)).rejects.toMatchObject({ rv: Rv.ServerTooBusy });
  expect(records.map(({ event }) => event)).toEqual(["connect"]);
});
