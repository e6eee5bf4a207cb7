import { describe, expect, test } from "vitest";
import { linkTo } from "../../../test/link/linked.ts";
import { cardServiceContract } from "../../testing/card-service-contract.ts";
import type { CardSession } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { Patience } from "../../link/hall.ts";
import { SoftwareReaders } from "../software/service.ts";

const card = {
  atr: Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01),
  process: () => Uint8Array.of(0x6a, 0x82),
};

describe.each([{ pipelining: true }, { pipelining: false }])("$pipelining", (options) => {
  cardServiceContract(test, async () => {
    const service = new SoftwareReaders(["Software 00 00", "Software 01 00"]);
    await service.insert("Software 00 00", card);
    const linked = await linkTo(service, options);
    return {
      service: linked.remote,
      attribute: 0x9_0303,
      pull: async () => service.pull("Software 00 00"),
      insert: async () => await service.insert("Software 00 00", card),
      async [Symbol.asyncDispose]() {
        await linked[Symbol.asyncDispose]();
        await service[Symbol.asyncDispose]();
      },
    };
  });
});

test("a break is not noticed", async () => {
  let commands = 0;
  await using service = new SoftwareReaders(["Software 00 00"]);
  await service.insert("Software 00 00", {
    ...card,
    process: async () => {
      await new Promise(setImmediate);
      commands += 1;
      return Uint8Array.of(commands >> 8, commands & 0xff, 0x90, 0x00);
    },
  });
  await using linked = await linkTo(service);
  const { session } = await linked.remote.connect(
    "Software 00 00",
    { share: 2, protocols: 3, principal: { name: "test" } },
    { signal: AbortSignal.timeout(20_000) },
  );
  const pci = { send: 2, receive: 2 };
  let turns = 0;
  // However fast the computer is: until the line has broken often enough.
  while (turns < 200 || linked.remote.figures.resumptions <= 10) {
    turns += 1;
    await session.begin({ signal: AbortSignal.timeout(20_000) });
    if (turns % 10 === 0) setTimeout(() => linked.cut(), turns % 3);
    const { data } = await session.transmit(Uint8Array.of(0, 1, 2, 3), pci);
    expect(data).toEqual(Uint8Array.of(turns >> 8, turns & 0xff, 0x90, 0x00));
    await session.end(0);
  }
  expect(commands).toBe(turns);
});

/** A reader whose card counts its commands, with a link to it. */
async function counting(patience: Patience) {
  const ran: string[] = [];
  const service = new SoftwareReaders(["Software 00 00"]);
  await service.insert("Software 00 00", {
    ...card,
    reset: () => void ran.push("reset"),
    process: async (command: Uint8Array) => {
      await new Promise(setImmediate);
      ran.push(Buffer.from(command).toString("hex"));
      return Uint8Array.of(0x90, 0x00);
    },
  });
  const linked = await linkTo(service, { patience });
  const connect = async () =>
    await linked.remote.connect(
      "Software 00 00",
      { share: 2, protocols: 3, principal: { name: "test" } },
      { signal: AbortSignal.timeout(20_000) },
    );
  return {
    ran,
    service,
    linked,
    connect,
    async [Symbol.asyncDispose]() {
      await linked[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
    },
  };
}

const pci = { send: 2, receive: 2 };
const soon = () => AbortSignal.timeout(20_000);
const refused = (rv: number) => expect.objectContaining({ rv });

test("a transaction ends with its time, and what comes later is refused until a reconnect", async () => {
  await using subject = await counting({ graceMs: 5_000, lockMs: 100 });
  const { linked, ran } = subject;
  const { session: holder } = await subject.connect();
  const { session: other } = await subject.connect();
  await holder.begin({ signal: soon() });
  await holder.transmit(Uint8Array.of(0, 1, 0, 0), pci);
  ran.length = 0;
  linked.isOpen = false;
  linked.cut();
  const late = holder.transmit(Uint8Array.of(0, 2, 0, 0), pci);
  late.catch(() => {}); // looked at below
  await expect.poll(() => ran).toEqual(["reset"]);
  linked.isOpen = true;
  await expect(late).rejects.toEqual(refused(Rv.ResetCard));
  await expect(other.status()).rejects.toEqual(refused(Rv.ResetCard));
  await expect(holder.end(0)).rejects.toEqual(refused(Rv.ResetCard));
  for (const session of [holder, other]) await session.reconnect({ share: 2, protocols: 3 }, 0);
  await holder.transmit(Uint8Array.of(0, 3, 0, 0), pci);
  await other.status();
  expect(ran).toEqual(["reset", "00030000"]);
});

test("a session that nobody can resume is begun anew, and its handles say so", async () => {
  await using subject = await counting({ graceMs: 150, lockMs: 50 });
  const { linked, ran } = subject;
  const { session: idle } = await subject.connect();
  const { session: busy } = await subject.connect();
  linked.isOpen = false;
  linked.cut();
  const lost = busy.transmit(Uint8Array.of(0, 1, 0, 0), pci);
  await expect(lost).rejects.toEqual(refused(Rv.NotTransacted));
  expect(linked.remote.readers).toEqual([]);
  linked.isOpen = true;
  await expect(idle.status()).rejects.toEqual(refused(Rv.ResetCard));
  await expect(busy.transmit(Uint8Array.of(0, 1, 0, 0), pci)).rejects.toEqual(
    refused(Rv.ResetCard),
  );
  expect(ran).not.toContain("00010000");
  await busy.reconnect({ share: 2, protocols: 3 }, 0);
  await busy.transmit(Uint8Array.of(0, 2, 0, 0), pci);
  expect(ran).toContain("00020000");
  expect(linked.remote.readers[0]?.sharing).toBe(1);
});

/** Whether it was this session's turn. */
const began = async (session: CardSession): Promise<boolean> =>
  await session.begin({ signal: soon() }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof ReturnCodeError && error.rv === Rv.SharingViolation) return false;
      throw error;
    },
  );

test("breaks at any moment: each command runs once, in its program's order", async () => {
  await using subject = await counting({ graceMs: 5_000, lockMs: 4_000 });
  const { linked, ran } = subject;
  const cutting = setInterval(() => linked.cut(), 7);
  const sent: string[] = [];
  const program = async (number: number): Promise<void> => {
    const { session } = await subject.connect();
    // However fast the computer is: until the line has broken often enough.
    for (let turn = 0; turn < 40 || linked.remote.figures.resumptions < 8; turn += 1) {
      while (!(await began(session))) await new Promise((resolve) => setTimeout(resolve, 5));
      const command = Buffer.from([number, turn >> 8, turn & 0xff, 0]);
      sent.push(command.toString("hex"));
      await session.transmit(command, pci);
      await session.end(0);
    }
    await session.disconnect(0);
  };
  try {
    await Promise.all([program(1), program(2), program(3)]);
  } finally {
    clearInterval(cutting);
  }
  expect(ran.filter((one) => one !== "reset")).toEqual(sent);
  expect(sent.length).toBeGreaterThanOrEqual(120);
}, 60_000);

test("names that no reader has are not kept", async () => {
  await using subject = await counting({ graceMs: 5_000, lockMs: 4_000 });
  const { remote } = subject.linked;
  const how = { share: 2, protocols: 3, principal: { name: "test" } };
  for (const name of ["No such reader 00 00", "Nor this one 00 00"])
    await expect(remote.connect(name, how, { signal: soon() })).rejects.toEqual(
      refused(Rv.UnknownReader),
    );
  expect(remote.holders.size).toBe(0);
});

test("what the reader's state tells is not waited for", async () => {
  await using subject = await counting({ graceMs: 5_000, lockMs: 4_000 });
  const { linked, ran } = subject;
  const learns = await subject.connect();
  await learns.session.disconnect(0);
  await expect.poll(() => linked.remote.readers[0]?.sharing).toBe(0);
  // With a line that carries nothing, whatever is answered was not asked for.
  linked.stall();
  const { session, activeProtocol } = await subject.connect();
  expect(activeProtocol).toBe(learns.activeProtocol);
  expect(linked.remote.readers[0]).toMatchObject({ sharing: 1, protocol: activeProtocol });
  await session.status();
  await session.begin({ signal: soon() });
  const answer = session.transmit(Uint8Array.of(0, 7, 0, 0), pci);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(ran).not.toContain("00070000");
  linked.flow();
  await answer;
  expect(ran).toContain("00070000");
  linked.stall();
  await session.end(0);
  await session.disconnect(0);
  expect(linked.remote.readers[0]?.sharing).toBe(0);
  linked.flow();
});

test("a connect that was foreseen and fails is told at the first command", async () => {
  await using subject = await counting({ graceMs: 5_000, lockMs: 4_000 });
  const { linked, service } = subject;
  await (await subject.connect()).session.disconnect(0);
  await expect.poll(() => linked.remote.readers[0]?.sharing).toBe(0);
  linked.stall();
  const { session } = await subject.connect();
  await session.begin({ signal: soon() });
  service.pull("Software 00 00");
  linked.flow();
  const sent = session.transmit(Uint8Array.of(0, 7, 0, 0), pci);
  await expect(sent).rejects.toEqual(refused(Rv.RemovedCard));
  await session.disconnect(0);
});
