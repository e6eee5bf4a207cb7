import { expect, test } from "vitest";
import { codeOf, linkToOneCard, READER, soon } from "../../../test/link/one-card.ts";
import { Rv } from "../../domain/return-codes.ts";

// What is answered without being asked, while programs at the card host use the card, too.

const ATR_STRING = 0x90303;

/** Programs at both ends, whose handles are known at both. */
async function together() {
  const subject = await linkToOneCard({ hidesProtocol: true });
  const session = await subject.connect();
  await session.getAttribute(ATR_STRING);
  const mayHold = () => subject.remote.table.find(READER)?.othersMayHold;
  expect(mayHold()).toBe(false);
  const other = await subject.direct();
  await expect.poll(mayHold).toBe(true);
  return { ...subject, session, other, mayHold };
}

test("who keeps the card at the card host keeps it from all that is asked", async () => {
  await using subject = await together();
  const { session, other } = subject;
  await other.begin({ signal: soon() });
  expect(await codeOf(session.status())).toBe(Rv.SharingViolation);
  expect(await codeOf(session.getAttribute(ATR_STRING))).toBe(Rv.SharingViolation);
  await other.end(0);
  expect(await codeOf(session.status())).toBe(0);
});

test("a reset by a program at the card host is told at once", async () => {
  await using subject = await together();
  const { session, other } = subject;
  await session.status();
  await other.reconnect({ share: 2, protocols: 3 }, 1);
  expect(await codeOf(session.status())).toBe(Rv.ResetCard);
  expect(await codeOf(session.getAttribute(ATR_STRING))).toBe(Rv.ResetCard);
});

test("one by a program that left is told, too", async () => {
  await using subject = await together();
  const { session, other } = subject;
  await session.status();
  await other.reconnect({ share: 2, protocols: 3 }, 1);
  await other.disconnect(0);
  await expect.poll(subject.mayHold).toBe(false);
  expect(await codeOf(session.status())).toBe(Rv.ResetCard);
  await session.reconnect({ share: 2, protocols: 3 }, 0);
  await session.status();
  subject.linked.stall();
  expect(await codeOf(session.status())).toBe(0); // nobody is asked any more
  subject.linked.flow();
});
