import { describe, expect, test, vi } from "vitest";
import { Disposition } from "../domain/pcsc.ts";
import { Rv } from "../domain/return-codes.ts";
import type { AnsweringEnd } from "../fronts/link/call-frame.ts";
import type { SessionFrame } from "../link/end.ts";
import { cardServiceContract } from "../testing/card-service-contract.ts";
import { fakeReader, fakeService } from "../testing/index.ts";
import { Flag, Type } from "../wire/link/frames.ts";
import { Allotments } from "./allotment.ts";
import { allotted } from "./allotted.ts";
import { allottedLeasing } from "./allotted-leasing.ts";
import { allottedLink } from "./allotted-link.ts";
import type { IdentityLimits } from "./identity-limits.ts";

const NAME = "Card 00 00";
const ATR = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);

describe("a service with an allotment keeps the contract", () => {
  cardServiceContract(test, async () => {
    const fake = fakeService([fakeReader(NAME, { atr: ATR }), fakeReader("Empty 00 01")]);
    const service = allotted(fake, new Allotments().of("alice"));
    return {
      service,
      attribute: 0x90303,
      pull: async () => fake.pull(NAME),
      insert: async () => fake.insert(NAME, ATR),
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  });
});

/** A link whose calls are never answered, unless `answer` is called. */
function link(limits: Partial<IdentityLimits>) {
  const allotments = new Allotments(() => limits);
  const allotment = allotments.of("mallory");
  const sent: unknown[] = [];
  const passed: SessionFrame[] = [];
  const end = {
    unacknowledgedBytes: 0,
    send: (type: number, body: unknown) => void sent.push({ type, body }),
    drained: async () => {},
  };
  let own: AnsweringEnd | undefined;
  const serving = allottedLink(end, allotment, (given) => {
    own = given;
    const nothing = () => {};
    const frame = (one: SessionFrame) => void passed.push(one);
    const all = { frame, up: nothing, down: nothing, unlock: nothing, over: nothing };
    return {
      ...all,
      // None is given up.
      get handles() {
        return passed.filter(({ type }) => type === Type.Connect).length;
      },
    };
  });
  const transmit = (call: number, length: number): SessionFrame => {
    const body = { card: 1, call, flags: 0, sendProtocol: 2, receiveProtocol: 2 };
    return { type: Type.Transmit, body, tail: new Uint8Array(length) };
  };
  const begin = (call: number): SessionFrame => {
    const body = { card: 1, call, flags: Flag.Early };
    return { type: Type.Begin, body, tail: new Uint8Array() };
  };
  const told = { rv: Rv.Success, protocol: 0, length: -1, ahead: 0 };
  const answer = (call: number) => own?.send(Type.Result, { call, ...told });
  const unanswered = () => own?.unanswered?.();
  const calls = { transmit, begin, answer, unanswered };
  return { allotments, allotment, serving, sent, passed, end, ...calls };
}

describe("the memory of a link", () => {
  test("is counted from a call's arrival to its answer, and ends with the link", () => {
    const { allotment, serving, transmit, answer } = link({ bytes: 10_000 });
    serving.frame(transmit(1, 4_000));
    serving.frame(transmit(2, 4_000));
    expect(allotment.bytes).toBeGreaterThan(8_000);
    answer(1);
    expect(allotment.bytes).toBeLessThan(8_000);
    serving.over(new Error("gone") as never);
    expect(allotment.bytes).toBe(0);
  });

  test("counts calls whose answer nobody wants until they are over, and too many end the link", () => {
    const { allotment, serving, begin, unanswered } = link({ bytes: 10_000 });
    serving.frame(begin(0));
    const { bytes } = allotment;
    expect(bytes).toBeGreaterThan(0);
    serving.frame(begin(0));
    unanswered();
    expect(allotment.bytes).toBe(bytes);
    const flood = () => {
      for (let n = 0; n < 100; n += 1) serving.frame(begin(0));
    };
    expect(flood).toThrow("too much at once");
    serving.over(new Error("gone") as never);
    expect(allotment.bytes).toBe(0);
    unanswered(); // what was under way ends later
    expect(allotment.bytes).toBe(0);
  });

  test("beyond the limit a command is refused, and what gives something back is not", () => {
    const { serving, transmit, sent, passed, end } = link({ bytes: 10_000 });
    serving.frame(transmit(1, 9_999));
    serving.frame(transmit(2, 10));
    expect(sent).toMatchObject([{ type: Type.Result, body: { call: 2, rv: Rv.ServerTooBusy } }]);
    const body = { card: 1, call: 3, flags: 0, disposition: 0 };
    serving.frame({ type: Type.End, body, tail: new Uint8Array() });
    expect(passed.map(({ type }) => type)).toEqual([Type.Transmit, Type.End]);
    // Answers that nobody takes count as well.
    end.unacknowledgedBytes = 10_000;
    expect(() => serving.frame(transmit(4, 10))).toThrow("too much at once");
  });

  test("has an end where handles that were refused are not given up", () => {
    const { serving, allotment, passed } = link({ handles: 10 });
    const how = { flags: 0, share: 2, protocols: 3, reader: NAME };
    const connect = (card: number): SessionFrame => {
      return { type: Type.Connect, body: { card, call: card, ...how }, tail: new Uint8Array() };
    };
    for (let card = 1; card <= 1_010; card += 1) serving.frame(connect(card));
    expect(allotment.isCrowded).toBe(false);
    expect(() => serving.frame(connect(1_011))).toThrow("too many handles");
    expect(passed).toHaveLength(1_011);
  });

  test("ends with the link for whoever takes no answers, whatever he asks", () => {
    const { serving, end } = link({ bytes: 10_000 });
    const wish = { lease: 1, flags: 0, forMs: 1_000, reader: NAME };
    const lease: SessionFrame = { type: Type.Lease, body: wish, tail: new Uint8Array() };
    serving.frame(lease);
    end.unacknowledgedBytes = 20_001;
    expect(() => serving.frame(lease)).toThrow("too much at once");
  });

  test.each([
    ["a number that is under way", 1, 1, "call 1 is under way already"],
    ["data without a wish for the answer", 2, 0, "data for a card, and nobody wants the answer"],
  ])("%s ends the link", (_, first, second, message) => {
    const { serving, transmit } = link({ bytes: 10_000 });
    serving.frame(transmit(first, 10));
    expect(() => serving.frame(transmit(second, 10))).toThrow(message);
  });
});

test("each has his own limits, and others as soon as these are set", async () => {
  const handles: Record<string, number> = { alice: 2, mallory: 1 };
  const allotments = new Allotments((name) => ({ handles: handles[name] ?? 0, perSecond: 1_000 }));
  const [alice, mallory] = [allotments.of("alice"), allotments.of("mallory")];
  const busy = expect.objectContaining({ rv: Rv.ServerTooBusy });
  for (const one of [alice, alice, mallory]) one.takeHandle();
  expect(() => mallory.takeHandle()).toThrow(busy);
  expect(() => alice.takeHandle()).toThrow(busy);
  handles["mallory"] = 2;
  expect(() => mallory.takeHandle()).not.toThrow();
  expect(() => mallory.takeHandle()).toThrow(busy);
});

test("a rate that is set anew holds from the next call on", async () => {
  let perSecond = 1;
  const allotment = new Allotments(() => ({ perSecond })).of("alice");
  await allotment.pace({ isHolder: false }); // the second's worth
  perSecond = 100_000;
  for (let n = 0; n < 100; n += 1) allotment.count();
  const start = performance.now();
  await allotment.pace({ isHolder: false }); // one step of the first rate is still to be waited for at most
  expect(performance.now() - start).toBeLessThan(1_500);
});

test("an end of nothing is no faster than he may, one of a transaction is never late", async () => {
  const allotment = new Allotments(() => ({ perSecond: 100 })).of("mallory");
  const service = allotted(fakeService([fakeReader(NAME, { atr: ATR })]), allotment);
  const { signal } = new AbortController();
  const how = { share: 2, protocols: 3, principal: { name: "mallory" } };
  const { session } = await service.connect(NAME, how, { signal });
  await session.begin({ signal });
  for (let n = 0; n < 150; n += 1) allotment.count();
  const start = performance.now();
  await session.end(Disposition.Leave);
  expect(performance.now() - start).toBeLessThan(300);
  await expect(session.end(Disposition.Leave)).rejects.toMatchObject({ rv: Rv.NotTransacted });
  expect(performance.now() - start).toBeGreaterThan(300);
});

test("leases and their renewals are asked for no faster than he may", async () => {
  const allotment = new Allotments(() => ({ perSecond: 100 })).of("mallory");
  const ended = new AbortController();
  let renewed = 0;
  const leasing = allottedLeasing(
    {
      lease: async (reader) => ({
        reader,
        fence: 1,
        expiresAt: 0,
        ended: ended.signal,
        renew: () => void (renewed += 1),
        release: async () => {},
        [Symbol.asyncDispose]: async () => {},
      }),
    },
    allotment,
  );
  const { signal } = new AbortController();
  const ask = () => leasing.lease(NAME, { forMs: 1_000, wait: false }, { signal });
  for (let n = 0; n < 98; n += 1) allotment.count();
  const start = performance.now();
  const lease = await ask(); // the last but one of the second's worth
  for (let n = 0; n < 100; n += 1) await ask();
  expect(performance.now() - start).toBeGreaterThan(900);
  for (let n = 0; n < 300; n += 1) allotment.count();
  const renewing = Promise.resolve(lease.renew(1_000));
  expect(renewed).toBe(0);
  ended.abort(new Error("it is over"));
  await expect(renewing).rejects.toThrow("it is over");
});

test("connects are no faster than he may, those that are refused included", async () => {
  const allotment = new Allotments(() => ({ handles: 0, perSecond: 100 })).of("mallory");
  await using fake = fakeService([fakeReader(NAME, { atr: ATR })]);
  const service = allotted(fake, allotment);
  const { signal } = new AbortController();
  const how = { share: 2, protocols: 3, principal: { name: "mallory" } };
  for (let n = 0; n < 150; n += 1) allotment.count();
  const start = performance.now();
  const refused = service.connect(NAME, how, { signal });
  await expect(refused).rejects.toMatchObject({ rv: Rv.ServerTooBusy });
  expect(performance.now() - start).toBeGreaterThan(300);
});

test("who left and has rested is forgotten", () => {
  const { allotments, allotment, serving } = link({ bytes: 10_000 });
  allotment.count();
  serving.over(new Error("gone") as never);
  allotments.of("alice");
  expect(allotments.size).toBe(1 + 1); // not rested yet
  for (let n = 0; n < 100; n += 1) allotments.of(`somebody ${n}`);
  expect(allotments.size).toBeLessThanOrEqual(3);
});

test("who left is not forgotten while a handle or a call of his is not over", () => {
  vi.useFakeTimers();
  try {
    const allotments = new Allotments(() => ({ handles: 1 }));
    const mallory = allotments.of("mallory");
    const give = mallory.takeHandle();
    vi.advanceTimersByTime(60_000);
    allotments.of("alice");
    expect(allotments.of("mallory")).toBe(mallory);
    give();
    const bytes = mallory.arrived(0);
    allotments.of("alice");
    expect(allotments.of("mallory")).toBe(mallory);
    mallory.answered(bytes);
    allotments.of("alice");
    expect(allotments.of("mallory")).not.toBe(mallory);
  } finally {
    vi.useRealTimers();
  }
});
