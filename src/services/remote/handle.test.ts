import { expect, test } from "vitest";
import { codeOf, linkToOneCard, READER, soon } from "../../../test/link/one-card.ts";
import { Rv } from "../../domain/return-codes.ts";

/** A link that was lost for good, with a handle left of it. */
async function lost() {
  const subject = await linkToOneCard({ patience: { graceMs: 150, lockMs: 50 } });
  const session = await subject.connect();
  subject.linked.isOpen = false;
  subject.linked.cut();
  await expect.poll(() => subject.remote.state).toBe("gone");
  return { ...subject, session };
}

/** As scdaemon. */
const exclusive = { share: 1, protocols: 3 };

test("a program that dies while it waits for the link leaves no handle when it is back", async () => {
  await using subject = await lost();
  const { session, linked, remote, readers } = subject;
  const asked = codeOf(session.reconnect(exclusive, 0));
  await session.abandon();
  expect(await asked).toBe(Rv.Cancelled); // at once
  linked.isOpen = true;
  await expect.poll(() => remote.state).toBe("up");
  await (await subject.connect()).disconnect(0);
  await expect.poll(() => readers.readers[0]?.sharing).toBe(0);
});

test("a program that dies while its handle is connected anew leaves none", async () => {
  await using subject = await lost();
  const { session, linked, remote, readers } = subject;
  linked.isOpen = true;
  await expect.poll(() => remote.state).toBe("up");
  const other = await subject.direct();
  await other.begin({ signal: soon() });
  const asked = codeOf(session.reconnect(exclusive, 0));
  await expect.poll(() => remote.figures.waiting).toBe(1);
  await session.abandon();
  expect(await asked).toBe(Rv.Cancelled);
  await other.end(0);
  await other.disconnect(0);
  await (await subject.direct(exclusive)).disconnect(0);
  await expect.poll(() => readers.readers[0]?.sharing).toBe(0);
  expect(await codeOf(subject.connect())).toBe(0);
});

test("a program that dies in the moment in which its handle is there again leaves none", async () => {
  await using subject = await lost();
  const { session, linked, remote, readers } = subject;
  linked.isOpen = true;
  await expect.poll(() => remote.state).toBe("up");
  linked.stall();
  const asked = codeOf(session.reconnect(exclusive, 0));
  await expect.poll(() => remote.figures.waiting).toBe(1);
  const calls = remote.calls;
  const answer = calls?.answer.bind(calls);
  if (calls && answer)
    calls.answer = (frame) => {
      answer(frame);
      void session.abandon();
    };
  linked.flow();
  expect(await asked).toBe(Rv.Cancelled);
  await expect.poll(() => readers.readers[0]?.sharing).toBe(0);
});

test("a begin that is granted to a program that died keeps nobody from the card", async () => {
  await using subject = await linkToOneCard();
  const { remote } = subject;
  const session = await subject.connect();
  const other = await subject.connect();
  await other.begin({ signal: soon() });
  const asked = codeOf(session.begin({ signal: soon() }));
  const calls = remote.calls;
  const answer = calls?.answer.bind(calls);
  if (calls && answer)
    calls.answer = (frame) => {
      const isOfBegin = remote.figures.waiting === 1; // the other one's end may have been awaited
      answer(frame);
      if (isOfBegin) void session.abandon();
    };
  await other.end(0);
  expect(await asked).toBe(0);
  expect(remote.holders.isFreeFor(READER, other)).toBe(true);
});
