import { expect, test, vi } from "vitest";
import { ATR, codeOf, linkToOneCard, PCI, READER, soon } from "../../../test/link/one-card.ts";
import type { CardSession } from "../../domain/card-service.ts";
import { Protocol } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";

// Connects that were answered before they were carried out, and then are refused.

const EXCLUSIVE = { share: 1 };
const command = Uint8Array.of(0, 1, 0, 0);

/** A link over which the next connect is foreseen, and whatever happens at the card host before it arrives. */
async function foreseen(
  meanwhile: (subject: Awaited<ReturnType<typeof linkToOneCard>>) => unknown,
) {
  const subject = await linkToOneCard();
  const { linked, remote } = subject;
  await (await subject.connect()).disconnect(0);
  await expect.poll(() => remote.figures.waiting).toBe(0);
  await expect.poll(() => remote.table.find(READER)?.sharing).toBe(0);
  linked.stall();
  const session = await subject.connect();
  await meanwhile(subject);
  const arrive = async (): Promise<void> => {
    linked.flow();
    await expect.poll(() => remote.figures.waiting).toBe(0);
  };
  return { ...subject, session, arrive };
}

const calls = {
  begin: (session: CardSession) => session.begin({ signal: soon() }),
  transmit: (session: CardSession) => session.transmit(command, PCI),
  status: (session: CardSession) => session.status(),
  reconnect: (session: CardSession) => session.reconnect({ share: 2, protocols: 3 }, 0),
};

test.each(Object.entries(calls))(
  "one that somebody was faster than is connected by %s when he is gone",
  async (_, call) => {
    let other: CardSession | undefined;
    const subject = await foreseen(async ({ direct }) => {
      other = await direct(EXCLUSIVE);
    });
    await using _subject = subject;
    const { session, remote, readers } = subject;
    await subject.arrive();
    expect(await codeOf(call(session))).toBe(Rv.SharingViolation);
    expect(remote.readers[0]?.sharing).toBe(-1);
    await other?.disconnect(0);
    expect(await codeOf(call(session))).toBe(0);
    expect(await codeOf(session.transmit(command, PCI))).toBe(0);
    expect(readers.readers[0]?.sharing).toBe(1);
    await session.disconnect(0);
    await expect.poll(() => readers.readers[0]?.sharing).toBe(0);
  },
);

test("a transaction that was begun on it is begun when it is connected", async () => {
  let other: CardSession | undefined;
  const subject = await foreseen(async ({ direct }) => {
    other = await direct(EXCLUSIVE);
  });
  await using _subject = subject;
  const { session } = subject;
  await session.begin({ signal: soon() });
  await subject.arrive();
  expect(await codeOf(session.transmit(command, PCI))).toBe(Rv.SharingViolation);
  await other?.disconnect(0);
  const third = await subject.direct();
  expect(await codeOf(session.transmit(command, PCI))).toBe(0);
  expect(await codeOf(third.status())).toBe(Rv.SharingViolation);
  await session.end(0);
  expect(await codeOf(third.status())).toBe(0);
});

test("its transaction ends without ever having begun", async () => {
  const subject = await foreseen(async ({ direct }) => await direct(EXCLUSIVE));
  await using _subject = subject;
  const { session } = subject;
  await session.begin({ signal: soon() });
  await session.begin({ signal: soon() });
  await subject.arrive();
  expect(await codeOf(session.transmit(command, PCI))).toBe(Rv.SharingViolation);
  expect(await codeOf(session.end(0))).toBe(0);
  expect(await codeOf(session.end(0))).toBe(0);
  expect(await codeOf(session.end(0))).toBe(Rv.SharingViolation);
});

test("whoever keeps the card for long is not waited for without end", async () => {
  const subject = await foreseen(async ({ direct }) => await direct(EXCLUSIVE));
  await using _subject = subject;
  const { session } = subject;
  await subject.arrive();
  const now = performance.now.bind(performance);
  const late = vi.spyOn(performance, "now").mockImplementation(() => now() + 6_000);
  try {
    for (const call of Object.values(calls))
      expect(await codeOf(call(session))).toBe(Rv.ReaderUnavailable);
  } finally {
    late.mockRestore();
  }
});

test("another card is not taken for the one that was there", async () => {
  let other: CardSession | undefined;
  const subject = await foreseen(async ({ direct }) => {
    other = await direct(EXCLUSIVE);
  });
  await using _subject = subject;
  const { session, readers } = subject;
  await subject.arrive();
  readers.pull(READER);
  await readers.insert(READER, { atr: ATR, process: () => Uint8Array.of(0x90, 0x00) });
  await other?.disconnect(0);
  expect(await codeOf(session.status())).toBe(Rv.RemovedCard);
  expect(await codeOf(session.transmit(command, PCI))).toBe(Rv.RemovedCard);
  expect(await codeOf(session.reconnect({ share: 2, protocols: 3 }, 0))).toBe(0);
  expect(await codeOf(session.transmit(command, PCI))).toBe(0);
});

test("one whose card is gone, and another with another protocol is there, is told so as of any card", async () => {
  const subject = await linkToOneCard();
  await using _subject = subject;
  const { linked, remote, readers } = subject;
  await (await subject.connect()).disconnect(0);
  await expect.poll(() => remote.table.find(READER)?.sharing).toBe(0);
  linked.stall();
  const session = await subject.connect({ protocols: Protocol.T1 });
  readers.pull(READER);
  const onlyT0 = Uint8Array.of(0x3b, 0x00);
  await readers.insert(READER, { atr: onlyT0, process: () => Uint8Array.of(0x90, 0x00) });
  linked.flow();
  expect(await codeOf(session.transmit(command, PCI))).toBe(Rv.RemovedCard);
  const onlyT1 = { share: 2, protocols: Protocol.T1 };
  expect(await codeOf(session.reconnect(onlyT1, 0))).toBe(Rv.ProtoMismatch);
  expect(await codeOf(session.reconnect({ share: 2, protocols: 3 }, 0))).toBe(0);
});

test("one whose card is gone is connected by a reconnect, to the next", async () => {
  const subject = await foreseen(({ readers }) => readers.pull(READER));
  await using _subject = subject;
  const { session, readers, remote } = subject;
  await subject.arrive();
  expect(await codeOf(session.status())).toBe(Rv.RemovedCard);
  expect(await codeOf(session.reconnect({ share: 2, protocols: 3 }, 0))).toBe(Rv.NoSmartcard);
  await readers.insert(READER, { atr: ATR, process: () => Uint8Array.of(0x90, 0x00) });
  expect(await codeOf(session.status())).toBe(Rv.RemovedCard);
  expect(await codeOf(session.reconnect({ share: 2, protocols: 3 }, 0))).toBe(0);
  expect(await codeOf(session.transmit(command, PCI))).toBe(0);
  expect(remote.readers[0]?.sharing).toBe(1);
});

test("one whose card is gone counts and answers as any handle of a card that was pulled", async () => {
  const subject = await foreseen(({ readers }) => readers.pull(READER));
  await using _subject = subject;
  const { session, readers, remote } = subject;
  await subject.arrive();
  await readers.insert(READER, { atr: ATR, process: () => Uint8Array.of(0x90, 0x00) });
  await expect.poll(() => remote.readers[0]?.sharing).toBe(1);
  expect(readers.readers[0]?.sharing).toBe(1);
  expect(await codeOf(subject.direct(EXCLUSIVE))).toBe(Rv.SharingViolation);
  for (const call of ["begin", "transmit", "status"] as const)
    expect(await codeOf(calls[call](session))).toBe(Rv.RemovedCard);
  expect(await codeOf(session.end(0))).toBe(Rv.RemovedCard);
  expect(await codeOf(session.getAttribute(0x9_0303))).toBe(Rv.RemovedCard);
  expect(await codeOf(session.setAttribute(0x9_0303, ATR))).toBe(Rv.RemovedCard);
  expect(await codeOf(session.control(0x4200_0001, new Uint8Array(0)))).toBe(Rv.UnsupportedFeature);
  expect(await codeOf(session.disconnect(0))).toBe(0);
  await expect.poll(() => readers.readers[0]?.sharing).toBe(0);
  expect(await codeOf((await subject.direct(EXCLUSIVE)).status())).toBe(0);
});

test("one that somebody was faster than, and whose card is gone by then, counts too", async () => {
  let other: CardSession | undefined;
  const subject = await foreseen(async ({ readers, direct }) => {
    other = await direct(EXCLUSIVE);
    readers.pull(READER);
  });
  await using _subject = subject;
  const { session, readers } = subject;
  await subject.arrive();
  expect(await codeOf(session.status())).toBe(Rv.SharingViolation);
  await other?.disconnect(0);
  expect(await codeOf(session.status())).toBe(Rv.RemovedCard);
  expect(readers.readers[0]?.sharing).toBe(1);
  expect(await codeOf(session.disconnect(0))).toBe(0);
  await expect.poll(() => readers.readers[0]?.sharing).toBe(0);
});

test("a program that dies with it leaves nothing, and nothing shows", async () => {
  const subject = await foreseen(({ readers }) => readers.pull(READER));
  await using _subject = subject;
  const { session, readers, remote } = subject;
  await subject.arrive();
  await session.abandon();
  expect(remote.readers[0]?.sharing).toBe(0);
  await expect.poll(() => remote.figures.waiting).toBe(0);
  expect(readers.readers[0]?.sharing).toBe(0);
});

test("it does not hide another's handle", async () => {
  const subject = await foreseen(({ readers }) => readers.pull(READER));
  await using _subject = subject;
  const { remote } = subject;
  await subject.arrive();
  await subject.direct({ share: 3, protocols: 0 });
  await expect.poll(() => remote.readers[0]?.sharing).toBe(2);
  expect(remote.table.find(READER)?.othersMayHold).toBe(true);
});

test("one that has to wait holds up no call of others that need not", async () => {
  await using subject = await linkToOneCard();
  const { linked } = subject;
  const session = await subject.connect();
  linked.stall();
  const late = await subject.connect();
  await late.begin({ signal: soon() });
  const other = await subject.direct();
  await other.begin({ signal: soon() });
  linked.flow();
  expect(await codeOf(session.control(0x4200_0001, new Uint8Array(0)))).toBe(Rv.SharingViolation);
  const answer = late.transmit(command, PCI);
  await other.end(0);
  expect(await codeOf(answer)).toBe(0);
});
