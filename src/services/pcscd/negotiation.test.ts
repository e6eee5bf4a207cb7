import { describe, expect, test } from "vitest";
import { attach, cards, first } from "../../../test/replay/attached.ts";
import { word, words } from "../../../test/replay/bytes.ts";
import { carrierTo } from "../../../test/replay/carrier.ts";
import { Cmd, type Kind } from "../../../test/replay/commands.ts";
import { startDaemon } from "../../../test/replay/daemon.ts";
import { fakeReader } from "../../testing/index.ts";
import { pcscdService } from "./service.ts";

const { signal } = new AbortController();
const options = { pipelining: true, rememberFeatures: true, keepWarm: false };

describe("negotiation", () => {
  test.each<[Kind, number, readonly number[]]>([
    ["1.8.23", 3, [6, 3]],
    ["1.8.24", 4, [6, 4]],
    ["1.9.9", 4, [6, 4]],
    ["2.3.3", 5, [6, 5]],
    ["2.4.1", 5, [6]],
    ["2.5.1", 6, [6]],
  ])("with pcscd %s comes to 4:%i", async (kind, minor, offers) => {
    await using attached = await attach({ kind });
    const { daemon, service } = attached;
    expect(service.traits).toEqual({ order: "little", minor, slots: 16 });
    expect(service.readers).toEqual(cards);
    const versions = daemon.asked(Cmd.Version).filter(({ connection }) => connection === 1);
    const offered = versions.map(({ struct }) => word("little", struct, 4));
    expect(offered.slice(0, offers.length)).toEqual(offers);
    const session = await attached.connect();
    const { data } = await session.transmit(Uint8Array.of(0, 0xa4), { send: 2, receive: 2 });
    expect(Buffer.from(data).toString("hex")).toBe("00a49000");
  });

  test.each<[Kind, number]>([
    ["1.8.23", 48],
    ["1.9.9", 48],
    ["2.3.3", 48],
    ["1.9.9", 17],
  ])("finds that pcscd %s has %i slots", async (kind, slots) => {
    const many = Array.from({ length: slots }, (_, slot) =>
      fakeReader(`Hub ${slot.toString(16).padStart(2, "0")} 00`, { eventCounter: slot }),
    );
    await using attached = await attach({ kind, slots, readers: many });
    expect(attached.service.traits?.slots).toBe(slots);
    expect(attached.service.readers).toEqual(many);
    attached.daemon.insert(many[slots - 1]!.name, Uint8Array.of(0x3b, 0x00));
    await attached.follow();
    expect(attached.service.readers.at(-1)?.atr).toEqual(Uint8Array.of(0x3b, 0x00));
  });

  test("finds slots without readers: none, and all of a daemon that has more than 16", async () => {
    await using none = await attach({ kind: "1.9.9", readers: [] });
    expect(none.service.readers).toEqual([]);
    const many = Array.from({ length: 30 }, (_, slot) => fakeReader(`Hub ${slot} 00`));
    await using list = await attach({ kind: "2.5.1", readers: many });
    expect(list.service.readers).toEqual(many);
    await using empty = await attach({ kind: "2.5.1", readers: [] });
    expect(empty.service.readers).toEqual([]);
  });

  test.each<[Kind]>([["1.8.23"], ["1.9.9"], ["2.4.1"], ["2.5.1"]])(
    "talks to a big-endian pcscd %s",
    async (kind) => {
      await using attached = await attach({ kind, order: "big" });
      expect(attached.service.traits?.order).toBe("big");
      expect(attached.service.readers).toEqual(cards);
      const session = await attached.connect();
      await session.begin({ signal });
      const { data } = await session.transmit(Uint8Array.of(1, 2, 3), { send: 2, receive: 2 });
      expect(Buffer.from(data).toString("hex")).toBe("0102039000");
      await session.end(0);
      attached.daemon.pull(first);
      await attached.follow();
    },
  );

  test("a context costs one round trip once the daemon is known", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    await attached.warm();
    using version = daemon.hold(Cmd.Version);
    // More than are in reserve, so that new ones are opened.
    const sessions = Promise.all(Array.from({ length: 5 }, () => attached.connect()));
    const held = await version.caught;
    // Both go out at once: while the first is unanswered, the second is here already.
    await daemon.until(() =>
      daemon.asked(Cmd.Establish).some((one) => one.connection === held.connection),
    );
    const pair = daemon.requests.filter(({ connection }) => connection === held.connection);
    expect(pair.map(({ command }) => command)).toEqual([Cmd.Version, Cmd.Establish]);
    expect(pair.map(({ repliedAt }) => repliedAt)).toEqual([undefined, undefined]);
    version.release();
    await sessions;
  });

  test("says so of a daemon that is older than any we know", async () => {
    await using daemon = await startDaemon({ kind: "1.8.8" });
    await expect(pcscdService(carrierTo(daemon), options, { signal })).rejects.toMatchObject({
      code: "E_PCSCD_VERSION",
      message: expect.stringContaining("4:2"),
    });
  });

  test("says why, where the daemon hangs up at once", async () => {
    await using daemon = await startDaemon();
    daemon.maxConnections = 0;
    await expect(pcscdService(carrierTo(daemon), options, { signal })).rejects.toMatchObject({
      code: "E_PCSCD_REFUSED",
    });
  });

  test("a refusal that is no question of versions is passed on", async () => {
    await using daemon = await startDaemon();
    daemon.twist(Cmd.Version, () => words("little", 4, 4, 0x8010006a));
    await expect(pcscdService(carrierTo(daemon), options, { signal })).rejects.toMatchObject({
      rv: 0x8010006a,
    });
  });

  test("an answer that is none ends it", async () => {
    await using daemon = await startDaemon();
    for (let times = 0; times < 4; times++)
      daemon.twist(Cmd.Version, () => Buffer.from("SSH-2.0-OpenSSH_9.2\r\n"));
    await expect(pcscdService(carrierTo(daemon), options, { signal })).rejects.toMatchObject({
      code: "E_PCSCD_VERSION",
    });
  });

  test("an abort while the daemon keeps silent ends the start", async () => {
    await using daemon = await startDaemon();
    using version = daemon.hold(Cmd.Version);
    const stop = new AbortController();
    const started = pcscdService(carrierTo(daemon), options, { signal: stop.signal });
    await version.caught;
    stop.abort(new Error("enough"));
    await expect(started).rejects.toBeDefined(); // start has nothing to say about an abort that its caller caused
    await daemon.until(() => daemon.connections.size === 0);
  });
});

describe("another daemon in the same place", () => {
  test.each<[Kind, Kind, number]>([
    ["1.9.9", "2.3.3", 5],
    ["2.5.1", "1.9.9", 4],
    ["2.3.3", "2.5.1", 5],
  ])("%s becomes %s", async (from, to, minor) => {
    await using attached = await attach({ kind: from });
    const { daemon, service } = attached;
    daemon.pull(first);
    await daemon.become({ kind: to });
    await attached.follow();
    expect(service.traits?.minor).toBe(minor);
    await (await attached.connect(cards[1].name)).status();
  });

  test("one of the other byte order", async () => {
    await using attached = await attach();
    attached.daemon.pull(first);
    await attached.daemon.become({ order: "big" });
    await attached.follow();
    expect(attached.service.traits?.order).toBe("big");
  });

  test("one with more slots", async () => {
    await using attached = await attach();
    attached.daemon.pull(first);
    await attached.daemon.become({ slots: 48 });
    await attached.follow();
    expect(attached.service.traits?.slots).toBe(48);
  });
});
