import assert from "node:assert/strict";
import type { CardSession, Reader } from "../domain/card-service.ts";
import { Rv } from "../domain/return-codes.ts";
import { type ContractSubject, Judge, refuses, signal } from "./contract-judge.ts";

/** The `test` of vitest, of node:test, or of any other runner: the contract depends on none. */
export type DefineTest = (name: string, body: () => Promise<void>) => unknown;

const SHARED = 2;
const EXCLUSIVE = 1;
const DIRECT = 3;
const LEAVE = 0;
const RESET = 1;
const UNPOWER = 2;
const T0_OR_T1 = 3;
const PRESENT = 4;
const ABSENT = 2;
const principal = { name: "contract" };
/** SELECT by a name that no card has: each answers something, and none changes by it. */
const SELECT = Uint8Array.of(0x00, 0xa4, 0x04, 0x00, 0x05, 0xf0, 0x00, 0x00, 0x00, 0x00);

type Clause = (judge: Judge) => Promise<void>;

const clauses: Readonly<Record<string, Clause>> = {
  "lists its readers without waiting": async (judge) => {
    const [card, empty] = [judge.reader(0), judge.reader(1)];
    assert.ok(card.atr && card.atr.length >= 2 && card.atr.length <= 33);
    assert.ok((card.stateBits & PRESENT) !== 0);
    assert.equal(empty.atr, undefined);
    assert.ok((empty.stateBits & ABSENT) !== 0);
    assert.notEqual(card.name, empty.name);
  },

  "watch starts with the current list and ends when told": async ({ service }) => {
    const stop = new AbortController();
    const seen: (readonly Reader[])[] = [];
    for await (const readers of service.watch({ signal: stop.signal })) {
      seen.push(readers);
      stop.abort();
    }
    assert.deepEqual(seen, [service.readers]);
  },

  "watch of an aborted signal ends": async ({ service }) => {
    for await (const _ of service.watch({ signal: AbortSignal.abort() })) assert.fail("went on");
  },

  "connects, and exchanges APDUs; a status word is an answer": async (judge) => {
    const { session, activeProtocol } = await judge.open();
    assert.ok([1, 2, 4].includes(activeProtocol));
    const pci = { send: activeProtocol, receive: activeProtocol };
    const { data } = await session.transmit(SELECT, pci);
    assert.ok(data.length >= 2);
    await session.status();
    await session.disconnect(LEAVE);
  },

  "a connect is refused as SCardConnect refuses it": async (judge) => {
    const { service } = judge;
    const [card, empty] = [judge.reader(0).name, judge.reader(1).name];
    const connect = (name: string, share: number, protocols: number) =>
      service.connect(name, { share, protocols, principal }, { signal: signal() });
    await refuses(connect("No such reader 00 00", SHARED, T0_OR_T1), Rv.UnknownReader);
    await refuses(connect(empty, SHARED, T0_OR_T1), Rv.NoSmartcard);
    await refuses(connect(card, SHARED, 0), Rv.ProtoMismatch);
    await refuses(connect(card, 9, T0_OR_T1), Rv.InvalidValue);
  },

  "a connect without a card is possible in direct mode": async (judge) => {
    const { session, activeProtocol } = await judge.open(1, { share: DIRECT, protocols: 0 });
    assert.equal(activeProtocol, 0);
    await refuses(session.control(0x42000001, new Uint8Array(0)), Rv.UnsupportedFeature);
    await session.disconnect(LEAVE);
  },

  "an aborted connect is given up": async (judge) => {
    await assert.rejects(judge.open(0, { within: AbortSignal.abort(new Error("gone")) }), /gone/);
    await (await judge.session()).disconnect(LEAVE);
  },

  "an attribute is told, an unknown one refused": async (judge) => {
    const session = await judge.session();
    const value = await session.getAttribute(judge.subject.attribute);
    assert.ok(value.length > 0 && value.length <= 264);
    await refuses(session.getAttribute(0x0fff_0001), Rv.UnsupportedFeature);
    await session.disconnect(LEAVE);
  },

  "a transaction nests, and an end too many is refused": async (judge) => {
    const session = await judge.session();
    await session.begin({ signal: signal() });
    await session.begin({ signal: signal() });
    await session.end(LEAVE);
    await session.end(LEAVE);
    await refuses(session.end(LEAVE), Rv.NotTransacted);
    await session.disconnect(LEAVE);
  },

  "a transaction keeps every other session off": async (judge) => {
    const { session: first } = await judge.open();
    const { session: second, activeProtocol } = await judge.open();
    const pci = { send: activeProtocol, receive: activeProtocol };
    await first.begin({ signal: signal() });
    const sent = judge.subject.queues
      ? await waits(second.transmit(SELECT, pci), first)
      : await refusedMeanwhile(judge, second, pci);
    await first.transmit(SELECT, pci);
    await first.end(LEAVE);
    await sent();
    await second.begin({ signal: signal() });
    await second.transmit(SELECT, pci);
    await second.end(LEAVE);
    await Promise.all([first.disconnect(LEAVE), second.disconnect(LEAVE)]);
  },

  "a connect waits for the end of a transaction; giving it up leaves the card alone": async (
    judge,
  ) => {
    const holder = await judge.session();
    await holder.begin({ signal: signal() });
    const stop = new AbortController();
    const givenUp = judge.open(0, { within: stop.signal });
    const waiting = judge.open();
    let answered = false;
    const noted = waiting.then(() => {
      answered = true;
    });
    await holder.status();
    assert.equal(answered, false);
    stop.abort(new Error("gave up"));
    await assert.rejects(givenUp, /gave up/);
    await holder.status();
    await holder.end(LEAVE);
    await noted;
    const { session } = await waiting;
    await session.status();
    await Promise.all([session.disconnect(LEAVE), holder.disconnect(LEAVE)]);
  },

  "exclusive access is for one, and shows": async (judge) => {
    const shared = await judge.session();
    await refuses(judge.open(0, { share: EXCLUSIVE }), Rv.SharingViolation);
    await shared.disconnect(LEAVE);
    const alone = await judge.session(0, EXCLUSIVE);
    assert.equal(judge.reader(0).sharing, -1);
    await refuses(judge.open(), Rv.SharingViolation);
    await refuses(judge.open(0, { share: DIRECT }), Rv.SharingViolation);
    await alone.begin({ signal: signal() });
    await alone.end(LEAVE);
    await refuses(alone.end(LEAVE), Rv.NotTransacted);
    await alone.disconnect(LEAVE);
    const first = await judge.session();
    const beside = await judge.session();
    await refuses(
      first.reconnect({ share: EXCLUSIVE, protocols: T0_OR_T1 }, LEAVE),
      Rv.SharingViolation,
    );
    await beside.disconnect(LEAVE);
    await first.reconnect({ share: EXCLUSIVE, protocols: T0_OR_T1 }, LEAVE);
    assert.equal(judge.reader(0).sharing, -1);
    await first.disconnect(LEAVE);
    assert.equal(judge.reader(0).sharing, 0);
  },

  "a session sees its own effects at once": async (judge) => {
    assert.equal(judge.reader(0).sharing, 0);
    const { session, activeProtocol } = await judge.open();
    assert.equal(judge.reader(0).sharing, 1);
    assert.equal(judge.reader(0).protocol, activeProtocol);
    const second = await judge.session();
    assert.equal(judge.reader(0).sharing, 2);
    await second.disconnect(LEAVE);
    assert.equal(judge.reader(0).sharing, 1);
    await session.disconnect(RESET);
    assert.equal(judge.reader(0).sharing, 0);
    assert.equal(judge.reader(0).protocol, 0);
  },

  "a reset by one is noticed by all others, until they reconnect": async (judge) => {
    const witness = await judge.session();
    const { session, activeProtocol } = await judge.open();
    const pci = { send: activeProtocol, receive: activeProtocol };
    await session.disconnect(RESET);
    for (let again = 0; again < 2; again++) await refuses(witness.status(), Rv.ResetCard);
    await refuses(witness.transmit(SELECT, pci), Rv.ResetCard);
    await refuses(witness.begin({ signal: signal() }), Rv.ResetCard);
    await refuses(witness.control(0x42000001, new Uint8Array(0)), Rv.UnsupportedFeature);
    const active = await witness.reconnect({ share: SHARED, protocols: T0_OR_T1 }, LEAVE);
    assert.equal(active, activeProtocol);
    await witness.status();
    await witness.disconnect(LEAVE);
  },

  "a reset at the end of a transaction concerns its own session, too": async (judge) => {
    const session = await judge.session();
    await session.begin({ signal: signal() });
    await session.end(RESET);
    await refuses(session.status(), Rv.ResetCard);
    await session.reconnect({ share: SHARED, protocols: T0_OR_T1 }, UNPOWER);
    await session.status();
    await refuses(session.reconnect({ share: SHARED, protocols: T0_OR_T1 }, 9), Rv.InvalidValue);
    await refuses(session.disconnect(9), Rv.InvalidValue);
    await session.disconnect(LEAVE);
  },

  "an application that dies in a transaction leaves a card that was reset": async (judge) => {
    const witness = await judge.session();
    const victim = await judge.session();
    await victim.begin({ signal: signal() });
    await victim.abandon();
    await refuses(witness.status(), Rv.ResetCard);
    await witness.disconnect(LEAVE);
  },

  "an application that dies without one leaves the card as it is": async (judge) => {
    const witness = await judge.session();
    const victim = await judge.session();
    await victim.begin({ signal: signal() });
    await victim.end(LEAVE);
    await victim.abandon();
    await witness.status();
    assert.equal(judge.reader(0).sharing, 1);
    await witness.disconnect(LEAVE);
  },

  "abandoning twice, or after the disconnect, is nothing": async (judge) => {
    const [first, second] = [await judge.session(), await judge.session()];
    await first.disconnect(LEAVE);
    await Promise.all([first.abandon(), second.abandon(), second.abandon()]);
  },

  "a card that goes is noticed, also after another came": async (judge) => {
    const before = judge.reader(0);
    const session = await judge.session();
    await judge.subject.pull();
    await judge.sees(0, ({ atr }) => atr === undefined, "the reader empty");
    await refuses(session.status(), Rv.RemovedCard);
    await refuses(session.reconnect({ share: SHARED, protocols: T0_OR_T1 }, LEAVE), Rv.NoSmartcard);
    await refuses(judge.open(), Rv.NoSmartcard);
    await judge.subject.insert();
    await judge.sees(0, ({ atr }) => atr !== undefined, "the card again");
    assert.ok(judge.reader(0).eventCounter >= before.eventCounter + 2);
    await refuses(session.status(), Rv.RemovedCard);
    await session.reconnect({ share: SHARED, protocols: T0_OR_T1 }, LEAVE);
    await session.status();
    await session.disconnect(LEAVE);
  },
};

/** What others are told while a transaction keeps them off. @returns nothing to be waited for. */
async function refusedMeanwhile(
  judge: Judge,
  other: CardSession,
  pci: { readonly send: number; readonly receive: number },
): Promise<() => Promise<void>> {
  await refuses(other.begin({ signal: signal() }), Rv.SharingViolation);
  await refuses(other.transmit(SELECT, pci), Rv.SharingViolation);
  await refuses(other.status(), Rv.SharingViolation);
  await refuses(other.getAttribute(judge.subject.attribute), Rv.SharingViolation);
  return async () => {};
}

/** A command that waits for the end of the transaction that `holder` is in. @returns waits for its answer. */
async function waits(sent: Promise<unknown>, holder: CardSession): Promise<() => Promise<void>> {
  let isAnswered = false;
  const noted = sent.then(() => {
    isAnswered = true;
  });
  await holder.status();
  assert.equal(isAnswered, false);
  return async () => await noted;
}

/**
 * What every CardService must do. Each one's test file calls this with its runner's `test` and a way to make one.
 *
 * @example cardServiceContract(test, async () => subject(fakeService([card, empty])));
 */
export function cardServiceContract(test: DefineTest, make: () => Promise<ContractSubject>): void {
  for (const [name, clause] of Object.entries(clauses))
    test(name, async () => {
      await using subject = await make();
      await clause(new Judge(subject));
    });
}
