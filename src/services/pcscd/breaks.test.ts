import { describe, expect, test } from "vitest";
import {
  type Attached,
  atr,
  attach,
  first,
  otherAtr,
  second,
} from "../../../test/replay/attached.ts";
import { words } from "../../../test/replay/bytes.ts";
import { Cmd } from "../../../test/replay/commands.ts";

const { signal } = new AbortController();
const pci = { send: 2, receive: 2 };
const apdu = Uint8Array.of(0x00, 0xca, 0x01, 0x02);
const RESET = 0x80100068;
const REMOVED = 0x80100069;
const NOT_TRANSACTED = 0x80100016;
const shared = { share: 2, protocols: 3 };

const isUp = async (attached: Attached, connection: number) =>
  await attached.daemon.until(() =>
    attached.daemon.asked(Cmd.Wait).some((one) => one.connection > connection && one.repliedAt),
  );

describe("when the line breaks", () => {
  test("a session of the same card reports a reset until it reconnects, which is a connect", async () => {
    await using attached = await attach();
    const session = await attached.connect();
    attached.breakLine();
    for (let times = 0; times < 2; times++)
      await expect(session.status()).rejects.toMatchObject({ rv: RESET });
    await expect(session.transmit(apdu, pci)).rejects.toMatchObject({ rv: RESET });
    await expect(session.begin({ signal })).rejects.toMatchObject({ rv: RESET });
    const connects = attached.daemon.asked(Cmd.Connect).length;
    expect(await session.reconnect(shared, 0)).toBe(2);
    expect(attached.daemon.asked(Cmd.Connect)).toHaveLength(connects + 1);
    expect(attached.daemon.asked(Cmd.Reconnect)).toEqual([]);
    await session.status();
    await session.transmit(apdu, pci);
  });

  test("a session whose card went meanwhile reports that it was removed", async () => {
    await using attached = await attach();
    const [one, two] = [await attached.connect(first), await attached.connect(second)];
    attached.daemon.slot(first)?.pull();
    attached.daemon.slot(second)?.pull();
    attached.daemon.slot(second)?.insert(otherAtr);
    attached.breakLine();
    await expect(one.status()).rejects.toMatchObject({ rv: REMOVED });
    await expect(two.status()).rejects.toMatchObject({ rv: REMOVED });
    await expect(one.reconnect(shared, 0)).rejects.toMatchObject({ rv: 0x8010000c });
    await two.reconnect(shared, 1);
    await two.status();
  });

  test("a reconnect with a reset does both", async () => {
    await using attached = await attach();
    const session = await attached.connect();
    attached.breakLine();
    await session.reconnect(shared, 1);
    expect(attached.daemon.asked(Cmd.Reconnect)).toHaveLength(1);
    await session.status();
  });

  test("a command in flight fails once, and is not sent again", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const session = await attached.connect();
    using transmit = daemon.hold(Cmd.Transmit);
    const answer = session.transmit(apdu, pci);
    await transmit.caught;
    attached.breakLine();
    await expect(answer).rejects.toMatchObject({ rv: NOT_TRANSACTED });
    await expect(session.transmit(apdu, pci)).rejects.toMatchObject({ rv: RESET });
    await session.reconnect(shared, 0);
    await session.transmit(apdu, pci);
    expect(daemon.asked(Cmd.Transmit)).toHaveLength(2);
  });

  test("what ends with the connection anyway is told as the notice", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const session = await attached.connect();
    using begin = daemon.hold(Cmd.Begin);
    const begun = session.begin({ signal });
    await begin.caught;
    attached.breakLine();
    await expect(begun).rejects.toMatchObject({ rv: RESET });
    await expect(session.end(0)).rejects.toMatchObject({ rv: RESET });
  });

  test("a connect in flight is asked once more", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    await attached.warm();
    using held = daemon.hold(Cmd.Connect);
    const connecting = attached.connect();
    await held.caught;
    attached.breakLine();
    await (await connecting).status();
    expect(daemon.asked(Cmd.Connect)).toHaveLength(2);
  });

  test("a handle that was lost disconnects without a word", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const sessions = await Promise.all([0, 1, 2].map(() => attached.connect()));
    attached.breakLine();
    await Promise.all(sessions.map((session, disposition) => session.disconnect(disposition)));
    expect(daemon.asked(Cmd.Disconnect)).toEqual([]);
    expect(attached.service.readers[0]?.sharing).toBe(0);
  });

  test("the readers stay listed until it is known what is there", async () => {
    await using attached = await attach();
    const before = attached.service.readers;
    const lists: (readonly unknown[])[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const readers of attached.service.watch({ signal: stop.signal }))
        lists.push(readers);
    })();
    attached.daemon.slot(first)?.pull();
    attached.breakLine();
    await attached.follow();
    stop.abort();
    await watching;
    expect(lists.every((readers) => readers.length === before.length)).toBe(true);
  });
});

describe("when pcscd exits", () => {
  test("its readers are gone, come back with it, and every session's card was removed", async () => {
    await using attached = await attach();
    const { daemon, service } = attached;
    const session = await attached.connect();
    await daemon.stop();
    for await (const readers of service.watch({ signal })) if (readers.length === 0) break;
    await expect(session.status()).rejects.toMatchObject({ rv: 0x80100017 });
    await expect(attached.connect()).rejects.toMatchObject({ rv: 0x80100017 });
    await expect(session.reconnect(shared, 0)).rejects.toMatchObject({ rv: 0x80100017 });
    await daemon.start();
    await attached.follow();
    await expect(session.status()).rejects.toMatchObject({ rv: REMOVED });
    await session.reconnect(shared, 0);
    await session.status();
    await (await attached.connect(second)).transmit(apdu, pci);
  });

  test("a connect in the moment of a restart is served by the new one", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    await attached.warm();
    const last = daemon.connections.size;
    await daemon.become({});
    const session = await attached.connect();
    await isUp(attached, last);
    await session.status();
  });

  test("one that takes a connection only at another try is tried again", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    await attached.warm();
    daemon.maxConnections = daemon.connections.size;
    const both = Promise.all([attached.connect(first), attached.connect(second)]);
    await daemon.until(() => daemon.refused >= 2);
    daemon.maxConnections = 200;
    for (const session of await both) await session.status();
  });

  test("one that takes no more connections says so: too many", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    await attached.warm();
    daemon.maxConnections = daemon.connections.size;
    const tried = await Promise.allSettled(Array.from({ length: 6 }, () => attached.connect()));
    const taken = tried.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const refused = tried.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    expect(refused.length).toBeGreaterThan(0);
    for (const reason of refused) expect(reason).toMatchObject({ rv: 0x80100006 });
    expect(taken.length).toBeGreaterThan(0);
    await taken[0]?.disconnect(0);
    await (await attached.connect()).status();
    await taken.at(-1)?.status();
  });

  // What sshd makes of a queue that is full for a moment: the stream ends as soon as it is there.
  test("one that takes no more for a moment is asked again", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    await attached.warm();
    const enough = daemon.maxConnections;
    daemon.maxConnections = daemon.connections.size;
    const connecting = Promise.all(Array.from({ length: 6 }, () => attached.connect()));
    await daemon.until(() => daemon.refused > 0);
    daemon.maxConnections = enough;
    for (const session of await connecting) await session.status();
  });
});

describe("a daemon that hangs up on a connect, as up to 2.0.0 where polkit denies the card", () => {
  const denies = (attached: Attached, times: number): void => {
    for (let count = 0; count < times; count++)
      attached.daemon.twist(
        Cmd.Connect,
        () => ({ send: Buffer.alloc(0), thenHangUp: true }),
        second,
      );
  };

  test("the connect is denied; all else goes on", async () => {
    await using attached = await attach();
    const session = await attached.connect();
    denies(attached, 2);
    await expect(attached.connect(second)).rejects.toMatchObject({ rv: 0x8010006a });
    await session.status();
    await (await attached.connect()).status();
    await (await attached.connect(second)).status();
  });

  test("once is no denial: the connection may have broken", async () => {
    await using attached = await attach();
    denies(attached, 1);
    await (await attached.connect(second)).status();
  });
});

describe("a connect", () => {
  test("is asked again however often the line breaks under it", async () => {
    await using attached = await attach();
    const holds = Array.from({ length: 3 }, () => attached.daemon.hold(Cmd.Connect, second));
    const connecting = attached.connect(second);
    for (const hold of holds) {
      await hold.caught;
      attached.breakLine();
      hold.release();
    }
    await (await connecting).status();
  });

  test("of which pcscd dies is asked again once", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const holds = Array.from({ length: 2 }, () => daemon.hold(Cmd.Connect, second));
    const connecting = attached.connect(second);
    connecting.catch(() => {}); // seen below
    for (const hold of holds) {
      await hold.caught;
      await daemon.become({});
      hold.release();
    }
    await expect(connecting).rejects.toMatchObject({ rv: 0x80100017 });
    expect(daemon.asked(Cmd.Connect)).toHaveLength(2);
    await (await attached.connect()).status();
  });
});

describe("an answer that makes no sense", () => {
  test.each([
    ["an over-long length", (reply: Buffer) => words("little", 0x7fffffff).copy(reply, 24)],
    ["a length just over the limit", (reply: Buffer) => words("little", 65_549).copy(reply, 24)],
    ["a negative length", (reply: Buffer) => words("little", -1).copy(reply, 24)],
  ])("%s ends that connection and no other", async (_what, spoil) => {
    await using attached = await attach();
    const { daemon } = attached;
    const [bad, good] = [await attached.connect(), await attached.connect()];
    daemon.twist(Cmd.Transmit, (reply) => {
      spoil(reply);
      return reply;
    });
    await expect(bad.transmit(apdu, pci)).rejects.toMatchObject({ rv: NOT_TRANSACTED });
    await good.status();
    expect((await good.transmit(apdu, pci)).data.length).toBe(6);
    await expect(bad.status()).rejects.toMatchObject({ rv: RESET });
    await bad.reconnect(shared, 0);
    await bad.transmit(apdu, pci);
  });

  test("the longest answer there can be arrives whole", async () => {
    const longest = Buffer.alloc(65_548, 0x5a);
    await using attached = await attach({ hooks: { transmit: () => longest } });
    const session = await attached.connect();
    const { data } = await session.transmit(apdu, pci);
    expect(Buffer.compare(data, longest)).toBe(0);
    await session.status();
  });

  test.each([1, 31, 33])("a hang-up %i bytes into the answer is an unknown fate", async (bytes) => {
    await using attached = await attach();
    const session = await attached.connect();
    attached.daemon.twist(Cmd.Transmit, (reply) => ({
      send: reply.subarray(0, bytes),
      thenHangUp: true,
    }));
    await expect(session.transmit(apdu, pci)).rejects.toMatchObject({ rv: NOT_TRANSACTED });
    await expect(session.status()).rejects.toMatchObject({ rv: RESET });
  });

  test("bytes that nobody asked for end the connection", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const session = await attached.connect();
    const { connection } = daemon.asked(Cmd.Connect)[0]!;
    daemon.connections.get(connection)?.write(Buffer.alloc(16, 1));
    await daemon.until(() => !daemon.connections.has(connection));
    await expect(session.status()).rejects.toMatchObject({ rv: RESET });
  });

  test("garbage in place of the list is not shown, and the list comes back", async () => {
    await using attached = await attach();
    const { daemon, service } = attached;
    const lists: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const readers of service.watch({ signal: stop.signal }))
        lists.push(readers.map(({ name }) => name).join());
    })();
    daemon.twist(Cmd.Wait, (reply) => Buffer.alloc(reply.length, 0xaa));
    daemon.insert("Lab Reader 02 00", atr);
    await attached.follow();
    stop.abort();
    await watching;
    expect(new Set(lists)).toEqual(new Set(["Lab Reader 00 00,Lab Reader 01 00,Lab Reader 02 00"]));
  });
});
