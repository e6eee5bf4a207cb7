import { duplexPair } from "node:stream";
import { expect, test } from "vitest";
import type { CardService } from "../../domain/card-service.ts";
import { deferred } from "../../domain/deferred.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Disposition, ShareMode } from "../../domain/pcsc.ts";
import { Rv } from "../../domain/return-codes.ts";
import { LinkEnd } from "../../link/end.ts";
import { FrameStream } from "../../link/frame-stream.ts";
import { Arbiter } from "../../services/arbiter/arbiter.ts";
import { fakeReader, fakeService } from "../../testing/fake-service.ts";
import { Flag, Type } from "../../wire/link/frames.ts";
import { ServedLink } from "./served-link.ts";

const NAME = "Reader 00 00";
const reader = fakeReader(NAME, { atr: Uint8Array.of(0x3b, 0x00) });
const how = { share: ShareMode.Shared, protocols: 3, principal: { name: "test" } };

/** A service with a link to it, and the codes that its calls got. */
function serve(service: CardService) {
  const codes = new Map<number, number>();
  const notices: number[] = [];
  const far = new LinkEnd({
    frame: (frame) => link.frame(frame),
    down: () => link.down(),
    over: () => link.over(),
  });
  const pace = { calls: 0, waits: Promise.resolve() };
  const paced = async () => {
    pace.calls += 1;
    await pace.waits;
  };
  const link = new ServedLink(service, Object.assign(far, { paced }), { name: "test" });
  const near = new LinkEnd({
    frame: (frame) => {
      if (frame.type === Type.Result) codes.set(frame.body.call, frame.body.rv);
      if (frame.type === Type.Notice) notices.push(frame.body.rv);
    },
    down: () => {},
    over: () => {},
  });
  const [one, other] = duplexPair();
  near.attach(new FrameStream(one), 0);
  far.attach(new FrameStream(other), 0);
  const connect = (card: number, call: number, share: number = ShareMode.Shared) =>
    near.send(Type.Connect, { card, call, flags: 0, share, protocols: 3, reader: NAME });
  const answered = async (call: number): Promise<number> => {
    await expect.poll(() => codes.get(call)).toBeDefined();
    return codes.get(call) ?? 0;
  };
  return { link, near, connect, answered, notices, pace };
}

/** A card that answers when `late` is resolved. */
function lateAnswer() {
  const late = deferred();
  const transmit = async () => {
    await late.promise;
    return Uint8Array.of(0x90, 0x00);
  };
  return { late, transmit };
}

test("a handle whose number is that of one that still disconnects ends with its link", async () => {
  const late = deferred();
  const before = ({ name }: { name: string }) =>
    name === "disconnect" ? late.promise : Promise.resolve();
  await using service = fakeService([reader], { before });
  const { near, connect, answered } = serve(service);
  connect(1, 1);
  expect(await answered(1)).toBe(Rv.Success);
  near.send(Type.Disconnect, { card: 1, call: 2, flags: 0, disposition: Disposition.Leave });
  near.send(Type.Abandon, { card: 1, call: 3, flags: 0 });
  connect(1, 4);
  expect(await answered(4)).toBe(Rv.Success);
  late.resolve();
  expect(await answered(3)).toBe(Rv.Success);
  near.close("it is over");
  await expect.poll(() => service.readers[0]?.sharing).toBe(0);
});

test("a handle that was disconnected cannot be brought back", async () => {
  await using service = fakeService([reader]);
  const { link, near, connect, answered } = serve(service);
  connect(1, 1);
  near.send(Type.Begin, { card: 1, call: 2, flags: 0 });
  expect(await answered(2)).toBe(Rv.Success);
  link.unlock();
  await expect.poll(() => service.readers[0]?.sharing).toBe(0);
  const card = { card: 1, flags: 0 };
  const again = { ...card, call: 4, share: ShareMode.Shared, protocols: 3, initialization: 0 };
  const last = { ...card, call: 3, disposition: Disposition.Leave };
  near.send(Type.Disconnect, last, undefined, { soon: true });
  near.send(Type.Reconnect, again, undefined, { soon: true });
  expect(await answered(4)).toBe(Rv.InvalidHandle);
  expect(service.readers[0]?.sharing).toBe(0);
});

test.each([
  ["while nobody is there ends at once", false, 0],
  ["after somebody came back stays", true, -1],
])("exclusive access that is granted after the lock time, %s", async (_, isBack, sharing) => {
  await using service = fakeService([reader]);
  const { session } = await service.connect(NAME, how, { signal: AbortSignal.timeout(10_000) });
  await session.begin({ signal: AbortSignal.timeout(10_000) });
  const { link, near, connect, answered } = serve(service);
  connect(1, 1, ShareMode.Exclusive);
  await expect.poll(() => service.log.filter((call) => call.startsWith("connect"))).toHaveLength(2);
  link.unlock();
  if (isBack) link.up();
  await session.abandon();
  expect(await answered(1)).toBe(Rv.Success);
  near.send(Type.Status, { card: 1, call: 2, flags: 0 });
  expect(await answered(2)).toBe(isBack ? Rv.Success : Rv.ResetCard);
  expect(service.readers[0]?.sharing).toBe(sharing);
});

test("a handle that its program took for disconnected ends though that was refused", async () => {
  const before = ({ name }: { name: string }) => {
    if (name === "disconnect") throw new ReturnCodeError("SCardDisconnect", Rv.ReaderUnavailable);
  };
  await using service = fakeService([reader], { before });
  const { near, connect, answered } = serve(service);
  connect(1, 1);
  const last = { card: 1, disposition: Disposition.Leave };
  near.send(Type.Disconnect, { ...last, call: 2, flags: 0 });
  expect(await answered(2)).toBe(Rv.ReaderUnavailable);
  near.send(Type.Disconnect, { ...last, call: 3, flags: Flag.Early });
  await answered(3);
  expect(service.readers[0]?.sharing).toBe(0);
  connect(1, 4); // the number is free again
  expect(await answered(4)).toBe(Rv.Success);
});

test("a begin is given up that waits for its turn", async () => {
  const { late, transmit } = lateAnswer();
  await using service = fakeService([reader], { transmit });
  const { near, connect, answered } = serve(service);
  connect(1, 1);
  expect(await answered(1)).toBe(Rv.Success);
  const body = { card: 1, call: 2, flags: Flag.Early, sendProtocol: 2, receiveProtocol: 2 };
  near.send(Type.Transmit, body, Uint8Array.of(0, 1, 2, 3));
  near.send(Type.Begin, { card: 1, call: 3, flags: 0 });
  near.send(Type.Cancel, { card: 1, call: 0, flags: 0 });
  near.send(Type.Begin, { card: 1, call: 4, flags: 0 });
  await expect.poll(() => near.unacknowledged, { timeout: 5_000 }).toBe(0);
  late.resolve();
  expect(await answered(3)).toBe(Rv.Cancelled);
  expect(await answered(4)).toBe(Rv.Success);
});

test.each([
  ["told by a command before it", [3]],
  ["not told yet", []],
])(
  "the end of a transaction that another card kept from beginning is refused as if it had begun, %s",
  async (_, commands) => {
    await using service = fakeService([reader]);
    const { near, connect, answered } = serve(service);
    connect(1, 1);
    expect(await answered(1)).toBe(Rv.Success);
    service.pull(NAME);
    service.insert(NAME, Uint8Array.of(0x3b, 0x00));
    near.send(Type.Begin, { card: 1, call: 2, flags: Flag.Early });
    for (const call of commands) {
      const body = { card: 1, call, flags: 0, sendProtocol: 2, receiveProtocol: 2 };
      near.send(Type.Transmit, body, Uint8Array.of(0, 1, 2, 3));
      expect(await answered(call)).toBe(Rv.RemovedCard);
    }
    near.send(Type.End, { card: 1, call: 4, flags: 0, disposition: Disposition.Leave });
    expect(await answered(4)).toBe(Rv.RemovedCard);
  },
);

const call = { card: 1, call: 2, flags: 0 };
const sharing = { share: ShareMode.Shared, protocols: 3 };
const pci = { sendProtocol: 2, receiveProtocol: 2 };
const COMMAND = Uint8Array.of(0, 1, 2, 3);

test.each<[what: string, send: (near: LinkEnd) => void]>([
  ["command", (near) => near.send(Type.Transmit, { ...call, ...pci }, COMMAND)],
  ["control", (near) => near.send(Type.Control, { ...call, code: 1 }, COMMAND)],
  ["reconnect", (near) => near.send(Type.Reconnect, { ...call, ...sharing, initialization: 1 })],
  ["disconnect", (near) => near.send(Type.Disconnect, { ...call, disposition: 1 })],
  [
    "command behind one that waits",
    (near) => {
      near.send(Type.Transmit, { ...call, ...pci }, COMMAND);
      near.send(Type.Transmit, { ...call, ...pci, call: 3 }, COMMAND);
    },
  ],
  [
    "disconnect that was believed done",
    (near) => near.send(Type.Disconnect, { ...call, flags: Flag.Early, disposition: 1 }),
  ],
])("what waits for its turn when its program dies never comes to the card: %s", async (_, send) => {
  await using service = fakeService([reader]);
  const arbiter = new Arbiter(service);
  const within = { signal: AbortSignal.timeout(10_000) };
  const { near, connect, answered } = serve(arbiter);
  connect(1, 1);
  expect(await answered(1)).toBe(Rv.Success);
  const alice = { ...sharing, principal: { name: "alice" } };
  const { session } = await arbiter.connect(NAME, alice, within);
  await session.begin(within);
  const before = service.log.length;
  send(near);
  await expect.poll(() => arbiter.attendance(NAME).waiting).toHaveLength(1);
  near.close("its program is gone");
  await expect.poll(() => arbiter.attendance(NAME).waiting, { timeout: 5_000 }).toEqual([]);
  await session.end(Disposition.Leave);
  await expect.poll(() => service.readers[0]?.sharing).toBe(1);
  expect(service.log.slice(before)).toEqual(["abandon", "end 0"]);
});

test("what its program believed done when it died is carried out", async () => {
  const { late, transmit } = lateAnswer();
  await using service = fakeService([reader], { transmit });
  const { near, connect, answered } = serve(service);
  connect(1, 1);
  expect(await answered(1)).toBe(Rv.Success);
  near.send(Type.Transmit, { ...call, ...pci, flags: Flag.Early }, COMMAND);
  near.send(Type.Disconnect, { ...call, call: 3, flags: Flag.Early, disposition: 1 });
  await expect.poll(() => near.unacknowledged, { timeout: 5_000 }).toBe(0);
  near.close("its program is gone");
  late.resolve();
  await expect.poll(() => service.readers[0]?.sharing).toBe(0);
  expect(service.log.at(-1)).toBe("disconnect 1");
});

test("calls on a handle that was refused are as slow as others", async () => {
  await using service = fakeService([]);
  const { near, connect, answered, pace } = serve(service);
  connect(1, 1);
  expect(await answered(1)).toBe(Rv.UnknownReader);
  const slow = deferred();
  pace.waits = slow.promise;
  near.send(Type.Status, { card: 1, call: 2, flags: 0 });
  near.send(Type.Status, { card: 1, call: 3, flags: 0 });
  await expect.poll(() => pace.calls).toBe(1);
  slow.resolve();
  expect(await answered(3)).toBe(Rv.UnknownReader);
  expect(pace.calls).toBe(2);
});

test("an answer that fits into no frame is refused, as where a program's buffer is too short", async () => {
  await using service = fakeService([reader], { transmit: () => new Uint8Array(140_000) });
  const { near, connect, answered } = serve(service);
  connect(1, 1);
  const body = { card: 1, call: 2, flags: 0, sendProtocol: 2, receiveProtocol: 2 };
  near.send(Type.Transmit, body, Uint8Array.of(0, 1, 2, 3));
  expect(await answered(2)).toBe(Rv.InsufficientBuffer);
});

test("a reset is told of after a reconnect that came while the one before was found", async () => {
  let looking = deferred();
  let found = Promise.resolve();
  const before = async ({ name }: { name: string }) => {
    if (name !== "status") return;
    looking.resolve();
    await found;
  };
  await using service = fakeService([reader], { before });
  const { near, connect, answered, notices } = serve(service);
  connect(1, 1);
  expect(await answered(1)).toBe(Rv.Success);
  const { session: other } = await service.connect(NAME, how, {
    signal: AbortSignal.timeout(10_000),
  });
  const reset = async (): Promise<void> => {
    await other.reconnect(how, Disposition.Reset);
  };
  const late = deferred();
  found = late.promise;
  looking = deferred();
  await reset();
  await looking.promise;
  const renew = { share: ShareMode.Shared, protocols: 3, initialization: Disposition.Leave };
  near.send(Type.Reconnect, { card: 1, call: 2, flags: 0, ...renew });
  await expect.poll(() => near.unacknowledged, { timeout: 5_000 }).toBe(0);
  late.resolve();
  expect(await answered(2)).toBe(Rv.Success);
  expect(notices).toEqual([Rv.ResetCard]);
  await reset();
  await expect.poll(() => notices).toEqual([Rv.ResetCard, Rv.ResetCard]);
});

test("a call whose answer nobody wants is told to be over, once, whatever it came to", async () => {
  await using service = fakeService([reader]);
  let over = 0;
  const end = { send: () => {}, drained: async () => {}, unanswered: () => void (over += 1) };
  const link = new ServedLink(service, end, { name: "test" });
  const tell = (type: typeof Type.Begin | typeof Type.Abandon) =>
    link.frame({ type, body: { card: 1, call: 0, flags: Flag.Early }, tail: new Uint8Array() });
  const body = { card: 1, call: 1, flags: 0, share: 9, protocols: 3, reader: "none" };
  link.frame({ type: Type.Connect, body, tail: new Uint8Array() });
  tell(Type.Begin);
  tell(Type.Abandon);
  await expect.poll(() => over).toBe(2);
  link.over();
});
