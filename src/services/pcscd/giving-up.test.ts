import { afterEach, describe, expect, test, vi } from "vitest";
import { attach, cards, first, second, third } from "../../../test/replay/attached.ts";
import { Cmd } from "../../../test/replay/commands.ts";
import { listen } from "../../observe/events.ts";
import { MAX_BLOCKED } from "./blocked.ts";

const { signal } = new AbortController();
const pci = { send: 2, receive: 2 };
const apdu = Uint8Array.of(0x00, 0xca, 0x01, 0x02);

afterEach(() => {
  vi.useRealTimers();
});

/** Only what the code sets itself; sockets go on as ever. */
const fakeTimers = () => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });

describe("connects while another program holds the card", () => {
  test("are bounded; the others queue, other readers do not, and a dead one's is dropped", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const full: number[] = [];
    using _listening = listen("cardwire:blocked", ({ connections }) => full.push(connections));
    const holder = await attached.connect();
    await holder.begin({ signal });
    const dead = new AbortController();
    const waiting = Array.from({ length: 80 }, (_, number) =>
      attached.connect(first, number === 70 ? { signal: dead.signal } : {}),
    );
    const outcomes = Promise.allSettled(waiting);
    await daemon.untilAsked(Cmd.Connect, { count: 1 + MAX_BLOCKED });
    await (await attached.connect(second)).status();
    await (await attached.connect(second)).disconnect(1);
    await attached.settle();
    expect(daemon.asked(Cmd.Connect, first)).toHaveLength(1 + MAX_BLOCKED);
    expect(full.length).toBeGreaterThanOrEqual(80 - MAX_BLOCKED);
    dead.abort(new Error("died"));
    await expect(waiting[70]).rejects.toThrow("died");
    await holder.end(0);
    const settled = await outcomes;
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(79);
    expect(daemon.asked(Cmd.Connect, first)).toHaveLength(80);
    const connections = daemon.asked(Cmd.Connect).map(({ connection }) => connection);
    expect(new Set(connections).size).toBeGreaterThanOrEqual(80);
  });

  test("one that dies while pcscd keeps it waiting is released once it is answered", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const holder = await attached.connect();
    await holder.begin({ signal });
    const dead = new AbortController();
    const connecting = attached.connect(first, { signal: dead.signal });
    const { connection } = await daemon.untilAsked(Cmd.Connect, { count: 2 });
    dead.abort(new Error("died"));
    await expect(connecting).rejects.toThrow("died");
    await holder.end(0);
    await daemon.until(() =>
      daemon.asked(Cmd.Release).some((one) => one.connection === connection),
    );
    await daemon.until(() => !daemon.connections.has(connection));
    await holder.status();
    expect(daemon.slot(first)?.handles.size).toBe(1);
  });

  test("and closed after 5 s, which releases it whenever pcscd looks", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const holder = await attached.connect();
    await holder.begin({ signal });
    fakeTimers();
    const dead = new AbortController();
    const connecting = attached.connect(first, { signal: dead.signal });
    const { connection } = await daemon.untilAsked(Cmd.Connect, { count: 2 });
    dead.abort(new Error("died"));
    await expect(connecting).rejects.toThrow("died");
    await vi.advanceTimersByTimeAsync(4_900);
    await attached.settle();
    expect(daemon.connections.has(connection)).toBe(true);
    await vi.advanceTimersByTimeAsync(200);
    await daemon.until(() => !daemon.connections.has(connection));
    await holder.end(0);
    await attached.settle();
    expect(daemon.slot(first)?.handles.size).toBe(1);
  });

  test("those that die behind an unanswered end leave no connection behind", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const one = await attached.connect();
    const two = await attached.connect();
    await attached.settle();
    using held = daemon.hold(Cmd.End);
    await one.begin({ signal });
    await one.end(0);
    await held.caught;
    const dead = new AbortController();
    const connecting = Promise.allSettled(
      Array.from({ length: 8 }, () => attached.connect(first, { signal: dead.signal })),
    );
    await daemon.until(() => daemon.connections.size >= 1 + 2 + 8);
    await attached.settle();
    dead.abort(new Error("died"));
    held.release();
    expect((await connecting).every(({ status }) => status === "rejected")).toBe(true);
    await attached.settle();
    expect(daemon.asked(Cmd.Connect)).toHaveLength(2);
    await attached.connect();
    await Promise.all([one.disconnect(0), two.disconnect(0)]);
    for (let times = 0; times < 6; times++) await (await attached.connect(second)).disconnect(0);
    // The watcher, the session that is left, and what is kept idle.
    await daemon.until(() => daemon.connections.size <= 1 + 1 + 4);
  });
});

describe("an application that dies", () => {
  test("in a transaction: its context is released, the card is reset for the others", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const [victim, witness] = [await attached.connect(), await attached.connect()];
    await victim.begin({ signal });
    await victim.abandon();
    await expect(witness.status()).rejects.toMatchObject({ rv: 0x80100068 });
    const [release] = daemon.asked(Cmd.Release);
    await daemon.until(() => !daemon.connections.has(release?.connection ?? 0));
    expect(attached.service.readers[0]?.sharing).toBe(1);
  });

  test("during a command: that is waited for, and only then the context released", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const session = await attached.connect();
    using transmit = daemon.hold(Cmd.Transmit);
    const answer = session.transmit(apdu, pci);
    const { connection } = await transmit.caught;
    const abandoned = session.abandon();
    await attached.settle();
    expect(daemon.asked(Cmd.Release)).toEqual([]);
    expect(daemon.connections.has(connection)).toBe(true);
    transmit.release();
    await answer;
    await abandoned;
    await daemon.untilAsked(Cmd.Release);
    const [asked] = daemon.asked(Cmd.Transmit);
    expect(daemon.asked(Cmd.Release)[0]?.arrivedAt).toBeGreaterThan(asked?.repliedAt ?? Infinity);
  });

  test("during one that does not end: after 5 s the connection is closed", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const session = await attached.connect();
    using transmit = daemon.hold(Cmd.Transmit);
    const answer = Promise.allSettled([session.transmit(apdu, pci)]);
    const { connection } = await transmit.caught;
    fakeTimers();
    const abandoned = session.abandon();
    await vi.advanceTimersByTimeAsync(4_900);
    await attached.settle();
    expect(daemon.connections.has(connection)).toBe(true);
    await vi.advanceTimersByTimeAsync(200);
    await abandoned;
    expect(await answer).toMatchObject([{ status: "rejected", reason: { rv: 0x80100016 } }]);
    await daemon.until(() => !daemon.connections.has(connection));
    expect(daemon.asked(Cmd.Release)).toEqual([]);
  });

  test.each([0, 1])(
    "with a disconnect (%i) that queues for its reader: it is dropped",
    async (disposition) => {
      await using attached = await attach();
      const { daemon } = attached;
      const [holder, victim] = [await attached.connect(), await attached.connect()];
      await holder.begin({ signal });
      using end = daemon.hold(Cmd.End);
      await holder.end(0);
      await end.caught;
      const disconnected = victim.disconnect(disposition); // waits for the answer to the end of the transaction
      await attached.settle();
      using release = daemon.hold(Cmd.Release); // so that its connection is still there
      await victim.abandon();
      await release.caught;
      end.release();
      await disconnected; // how it ends is nobody's concern any more
      await attached.settle();
      expect(daemon.asked(Cmd.Disconnect)).toEqual([]);
      release.release();
      await holder.status();
    },
  );

  test("with a reset that queues behind others: it is dropped", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const [holder, victim] = [await attached.connect(), await attached.connect()];
    await holder.begin({ signal });
    const waiting = Array.from({ length: MAX_BLOCKED }, () => attached.connect());
    const all = Promise.allSettled(waiting);
    await daemon.untilAsked(Cmd.Connect, { count: 2 + MAX_BLOCKED });
    const reset = Promise.allSettled([victim.disconnect(1)]);
    await attached.settle();
    await victim.abandon();
    await reset;
    await holder.end(0);
    await all;
    expect(daemon.asked(Cmd.Disconnect)).toEqual([]);
    await holder.status();
  });

  test("without pipelining the release is waited for", async () => {
    await using attached = await attach({ pipelining: false });
    const session = await attached.connect();
    using release = attached.daemon.hold(Cmd.Release);
    let done = false;
    const abandoned = session.abandon().then(() => {
      done = true;
    });
    await release.caught;
    await attached.settle();
    expect(done).toBe(false);
    release.release();
    await abandoned;
  });
});

describe("when nobody uses the readers", () => {
  const TEN_MINUTES = 600_000;

  test("everything is closed after ten minutes, and comes back with the first user", async () => {
    fakeTimers();
    await using attached = await attach();
    const { daemon, service } = attached;
    await attached.warm();
    await vi.advanceTimersByTimeAsync(TEN_MINUTES - 100);
    await attached.settle();
    expect(daemon.connections.size).toBeGreaterThan(1);
    await vi.advanceTimersByTimeAsync(200);
    await daemon.until(() => daemon.connections.size === 0);
    expect(service.readers).toEqual(cards); // as they were
    daemon.pull(first);
    const versions = daemon.asked(Cmd.Version).length;
    await attached.follow();
    expect(service.readers[0]?.atr).toBeUndefined();
    expect(daemon.asked(Cmd.Version).length - versions).toBeLessThanOrEqual(4);
  });

  test("a list is not shown to one who comes back before it is known to be true", async () => {
    fakeTimers();
    await using attached = await attach();
    const { daemon, service } = attached;
    await vi.advanceTimersByTimeAsync(TEN_MINUTES);
    await daemon.until(() => daemon.connections.size === 0);
    daemon.pull(first);
    for await (const [reader] of service.watch({ signal })) {
      expect(reader?.atr).toBeUndefined();
      break;
    }
  });

  test("a connect wakes it as well", async () => {
    fakeTimers();
    await using attached = await attach();
    await vi.advanceTimersByTimeAsync(TEN_MINUTES);
    await attached.daemon.until(() => attached.daemon.connections.size === 0);
    await (await attached.connect()).status();
  });

  test("a session, and one who watches, keep it", async () => {
    fakeTimers();
    await using attached = await attach();
    const { daemon } = attached;
    const session = await attached.connect(third, { share: 3 });
    await vi.advanceTimersByTimeAsync(2 * TEN_MINUTES);
    await attached.settle();
    const open = daemon.connections.size;
    expect(open).toBeGreaterThan(1);
    const stop = new AbortController();
    const watching = (async () => {
      for await (const _ of attached.service.watch({ signal: stop.signal }));
    })();
    await session.disconnect(0);
    await vi.advanceTimersByTimeAsync(2 * TEN_MINUTES);
    await attached.settle();
    expect(daemon.connections.size).toBeGreaterThan(1);
    stop.abort();
    await watching;
    await vi.advanceTimersByTimeAsync(TEN_MINUTES + 100);
    await daemon.until(() => daemon.connections.size === 0);
  });

  test("keepWarm keeps it", async () => {
    fakeTimers();
    await using attached = await attach({ keepWarm: true });
    await vi.advanceTimersByTimeAsync(3 * TEN_MINUTES);
    await attached.settle();
    expect(attached.daemon.connections.size).toBeGreaterThan(1);
  });

  test("closing the service closes every connection, and ends who watches", async () => {
    const attached = await attach();
    const { daemon, service } = attached;
    const session = await attached.connect();
    await session.begin({ signal });
    const watching = (async () => {
      for await (const _ of service.watch({ signal }));
    })();
    await attached.settle();
    await service[Symbol.asyncDispose]();
    await watching;
    await daemon.until(() => daemon.connections.size === 0);
    expect(daemon.asked(Cmd.Release)).toHaveLength(1);
    await attached[Symbol.asyncDispose]();
  });
});
