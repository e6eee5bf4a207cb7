import { describe, expect, test } from "vitest";
import { attach, first, second } from "../../../test/replay/attached.ts";
import { word } from "../../../test/replay/bytes.ts";
import { Cmd } from "../../../test/replay/commands.ts";

const { signal } = new AbortController();
const pci = { send: 2, receive: 2 };
const apdu = Uint8Array.of(0x00, 0xca, 0x01, 0x02);

describe("round trips", () => {
  test("the first connect waits for nothing but its own answer", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    await attached.warm();
    const before = daemon.requests.length;
    // Whatever else it might wait for is withheld.
    using _version = daemon.hold(Cmd.Version);
    using _readers = daemon.hold(Cmd.Readers);
    await attached.connect();
    const [connect] = daemon.asked(Cmd.Connect);
    const onIt = daemon.requests
      .slice(before)
      .filter(({ connection }) => connection === connect?.connection);
    expect(onIt.map(({ command }) => command)).toEqual([Cmd.Connect]);
  });

  test("a transmit is one request, header and data in one write, and nothing else is asked", async () => {
    await using attached = await attach();
    const session = await attached.connect();
    const before = attached.daemon.requests.length;
    await session.begin({ signal });
    await session.transmit(apdu, pci);
    await session.end(0);
    await session.status();
    const commands = attached.daemon.requests.slice(before).map(({ command }) => command);
    const own = new Set<number>([Cmd.Begin, Cmd.Transmit, Cmd.End, Cmd.Status]);
    expect(commands.filter((command) => own.has(command))).toEqual([...own]);
    expect(
      commands.filter((command) => command === Cmd.Readers || command === Cmd.Wait).length,
    ).toBeLessThan(2);
  });

  test("the end of a transaction is not waited for, and the next begin follows at once", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const session = await attached.connect();
    await session.begin({ signal });
    using end = daemon.hold(Cmd.End);
    await session.end(0);
    const begun = session.begin({ signal });
    await end.caught;
    const begin = await daemon.untilAsked(Cmd.Begin, { count: 2 });
    expect(daemon.asked(Cmd.End)[0]?.repliedAt).toBeUndefined();
    end.release();
    await begun;
    expect(begin.repliedAt).toBeGreaterThan(daemon.asked(Cmd.End)[0]?.repliedAt ?? Infinity);
  });

  test("a disconnect that leaves the card is not waited for, nor is the release", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const session = await attached.connect();
    await attached.settle(); // a new context is in reserve
    using disconnect = daemon.hold(Cmd.Disconnect);
    await session.disconnect(0);
    expect((await disconnect.caught).repliedAt).toBeUndefined();
    const other = await attached.connect(second);
    using release = daemon.hold(Cmd.Release);
    await other.abandon();
    expect((await release.caught).repliedAt).toBeUndefined();
  });

  test("without pipelining both are waited for", async () => {
    await using attached = await attach({ pipelining: false });
    const { daemon } = attached;
    const session = await attached.connect();
    await session.begin({ signal });
    for (const [command, call] of [
      [Cmd.End, () => session.end(0)],
      [Cmd.Disconnect, () => session.disconnect(0)],
    ] as const) {
      using held = daemon.hold(command);
      let done = false;
      const under = call().then(() => {
        done = true;
      });
      await held.caught;
      await attached.settle();
      expect(done).toBe(false);
      held.release();
      await under;
    }
  });

  test.each([
    ["reset", 1],
    ["unpower", 2],
    ["eject", 3],
  ])("an end and a disconnect with %s are always waited for", async (_name, disposition) => {
    await using attached = await attach();
    const { daemon } = attached;
    const session = await attached.connect();
    await session.begin({ signal });
    for (const [command, call] of [
      [Cmd.End, () => session.end(disposition)],
      [Cmd.Disconnect, () => session.disconnect(disposition)],
    ] as const) {
      using held = daemon.hold(command);
      let done = false;
      const under = call().then(() => {
        done = true;
      });
      const asked = await held.caught;
      expect(word("little", asked.struct, 4)).toBe(disposition);
      await attached.settle();
      expect(done).toBe(false);
      held.release();
      await under;
    }
  });

  test("an end that may be refused is waited for: without a begin, and after a card was changed", async () => {
    await using attached = await attach();
    const session = await attached.connect();
    await expect(session.end(0)).rejects.toMatchObject({ rv: 0x80100016 });
    await session.begin({ signal });
    await session.end(0);
    await expect(session.end(0)).rejects.toMatchObject({ rv: 0x80100016 });
    await session.begin({ signal });
    attached.daemon.pull(first);
    await attached.follow();
    await expect(session.end(0)).rejects.toMatchObject({ rv: 0x80100069 });
  });

  test("after a reset inside a transaction, the end of what is still open is waited for", async () => {
    await using attached = await attach();
    const session = await attached.connect();
    await session.begin({ signal });
    await session.begin({ signal });
    await session.end(1);
    await expect(session.end(0)).rejects.toMatchObject({ rv: 0x80100068 });
  });

  test("each session has a connection of its own, and they are used again", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const sessions = await Promise.all([
      attached.connect(),
      attached.connect(),
      attached.connect(second),
    ]);
    const connections = daemon.asked(Cmd.Connect).map(({ connection }) => connection);
    expect(new Set(connections).size).toBe(3);
    for (const session of sessions) await session.disconnect(0);
    await attached.settle();
    const before = daemon.asked(Cmd.Establish).length;
    for (let times = 0; times < 5; times++) await (await attached.connect()).disconnect(0);
    expect(daemon.asked(Cmd.Establish)).toHaveLength(before);
  });
});

describe("a request whose answer nobody waits for", () => {
  test("holds back those on its reader from other sessions until it is answered", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const [one, two] = [await attached.connect(), await attached.connect()];
    await one.begin({ signal });
    using end = daemon.hold(Cmd.End);
    await one.end(0);
    await end.caught;
    const status = two.status();
    const connecting = attached.connect();
    await attached.settle();
    expect(daemon.asked(Cmd.Status)).toEqual([]);
    expect(daemon.asked(Cmd.Connect)).toHaveLength(2);
    end.release();
    await Promise.all([status, connecting]);
    const answered = daemon.asked(Cmd.End)[0]?.repliedAt ?? Infinity;
    expect(daemon.asked(Cmd.Status)[0]?.arrivedAt).toBeGreaterThan(answered);
    expect(daemon.asked(Cmd.Connect)[2]?.arrivedAt).toBeGreaterThan(answered);
  });

  test("holds back nothing on another reader, and nothing on its own connection", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const [one, elsewhere] = [await attached.connect(first), await attached.connect(second)];
    await one.begin({ signal });
    using end = daemon.hold(Cmd.End);
    await one.end(0);
    await end.caught;
    await elsewhere.begin({ signal });
    await elsewhere.transmit(apdu, pci);
    const answer = one.status();
    await daemon.untilAsked(Cmd.Status);
    expect(daemon.asked(Cmd.End)[0]?.repliedAt).toBeUndefined();
    end.release();
    await answer;
  });

  test("of a disconnect: the next session on that reader waits for it, unless it has the same connection", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const [one, two] = [await attached.connect(first), await attached.connect(first)];
    using disconnect = daemon.hold(Cmd.Disconnect);
    await one.disconnect(0);
    const { connection } = await disconnect.caught;
    const status = two.status();
    await attached.settle();
    expect(daemon.asked(Cmd.Status)).toEqual([]);
    disconnect.release();
    await status;
    expect(daemon.asked(Cmd.Status)[0]?.arrivedAt).toBeGreaterThan(
      daemon.asked(Cmd.Disconnect)[0]?.repliedAt ?? Infinity,
    );
    expect(daemon.asked(Cmd.Status)[0]?.connection).not.toBe(connection);
  });

  test("keeps its order through a hundred transactions of ten sessions", async () => {
    await using attached = await attach();
    const sessions = await Promise.all(Array.from({ length: 10 }, () => attached.connect()));
    let inside = 0;
    let done = 0;
    await Promise.all(
      sessions.map(async (session) => {
        for (let left = 10; left > 0; ) {
          try {
            await session.begin({ signal });
          } catch {
            continue; // another one has it
          }
          inside += 1;
          expect(inside).toBe(1);
          await session.transmit(apdu, pci);
          inside -= 1;
          await session.end(0);
          left -= 1;
          done += 1;
        }
      }),
    );
    expect(done).toBe(100);
  });
});

describe("the feature query", () => {
  const query = 0x42000d48;
  const nothing = new Uint8Array(0);

  test("is never sent unasked, and answered from memory the second time, to every session", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const session = await attached.connect();
    await session.status();
    expect(daemon.asked(Cmd.Control)).toEqual([]);
    const answer = await session.control(query, nothing);
    expect(Buffer.from(answer).toString("hex")).toBe("120442330012");
    expect(await session.control(query, nothing)).toEqual(answer);
    const other = await attached.connect();
    expect(await other.control(query, nothing)).toEqual(answer);
    expect(daemon.asked(Cmd.Control)).toHaveLength(1);
    daemon.pull(first);
    await attached.follow();
    expect(await other.control(query, nothing)).toEqual(answer);
    expect(daemon.asked(Cmd.Control)).toHaveLength(1);
  });

  test("is asked anew of a reader that was away", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    await (await attached.connect()).control(query, nothing);
    const again = daemon.readers[0]!;
    daemon.unplug(first);
    await attached.follow();
    daemon.plug(again);
    daemon.insert(first, Uint8Array.of(0x3b, 0));
    await attached.follow();
    await (await attached.connect()).control(query, nothing);
    expect(daemon.asked(Cmd.Control)).toHaveLength(2);
  });

  test("a refusal is believed until a card comes or goes", async () => {
    await using attached = await attach({ hooks: { features: () => 0x8010001f } });
    const { daemon } = attached;
    const session = await attached.connect();
    for (let times = 0; times < 3; times++)
      await expect(session.control(query, nothing)).rejects.toMatchObject({ rv: 0x8010001f });
    expect(daemon.asked(Cmd.Control)).toHaveLength(1);
    daemon.pull(first);
    await attached.follow();
    await expect(session.control(query, nothing)).rejects.toMatchObject({ rv: 0x8010001f });
    expect(daemon.asked(Cmd.Control)).toHaveLength(2);
  });

  test("a refusal that passes is not remembered, nor is any other code", async () => {
    await using attached = await attach({ hooks: { features: () => 0x8010000b } });
    const session = await attached.connect();
    for (let times = 0; times < 2; times++) {
      await expect(session.control(query, nothing)).rejects.toMatchObject({ rv: 0x8010000b });
      await expect(session.control(0x42000001, nothing)).rejects.toMatchObject({ rv: 0x8010001f });
    }
    expect(attached.daemon.asked(Cmd.Control)).toHaveLength(4);
  });

  test("is passed on each time where it is not to be remembered", async () => {
    await using attached = await attach({ rememberFeatures: false });
    const session = await attached.connect();
    for (let times = 0; times < 3; times++) await session.control(query, nothing);
    expect(attached.daemon.asked(Cmd.Control)).toHaveLength(3);
  });

  test("with data it is something else", async () => {
    await using attached = await attach();
    const session = await attached.connect();
    for (let times = 0; times < 2; times++) await session.control(query, Uint8Array.of(1));
    expect(attached.daemon.asked(Cmd.Control)).toHaveLength(2);
  });
});
