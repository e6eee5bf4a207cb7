import { describe, expect, test } from "vitest";
import { seeded } from "../../../test/captures/random.ts";
import {
  atr,
  attach,
  cards,
  first,
  otherAtr,
  second,
  describe as shown,
} from "../../../test/replay/attached.ts";
import { Cmd, type Kind } from "../../../test/replay/commands.ts";
import type { Spot } from "../../../test/replay/daemon.ts";
import { fakeReader } from "../../testing/index.ts";

const daemonKinds: readonly Kind[] = ["1.8.23", "1.9.9", "2.3.3", "2.4.1", "2.5.1"];

describe("the list of readers", () => {
  test.each(daemonKinds.map((kind) => [kind]))("follows cards and readers of %s", async (kind) => {
    await using attached = await attach({ kind });
    const { daemon, service } = attached;
    daemon.pull(first);
    await attached.follow();
    daemon.insert(first, otherAtr);
    await attached.follow();
    expect(service.readers[0]).toMatchObject({ atr: otherAtr, eventCounter: 3 });
    daemon.plug(fakeReader("Late 00 00"));
    await attached.follow();
    expect(service.readers.map(({ name }) => name)).toContain("Late 00 00");
    daemon.unplug(second);
    await attached.follow();
    expect(service.readers.map(({ name }) => name)).not.toContain(second);
    daemon.plug(fakeReader("Again 00 00"));
    await attached.follow();
  });

  test("costs nothing while nothing happens, and one exchange for each event", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    await attached.warm();
    const before = daemon.requests.length;
    for (let times = 0; times < 100; times++) expect(attached.service.readers).toHaveLength(3);
    await attached.settle();
    const ofList = new Set<number>([Cmd.Wait, Cmd.Readers, Cmd.Size, Cmd.Array, Cmd.Stop]);
    expect(daemon.requests.slice(before).filter(({ command }) => ofList.has(command))).toEqual([]);
    const registered = daemon.asked(Cmd.Wait).length;
    daemon.pull(first);
    await attached.follow();
    expect(daemon.asked(Cmd.Wait)).toHaveLength(registered + 1);
    expect(daemon.asked(Cmd.Stop)).toEqual([]);
  });

  test("is watched on a connection of its own, which a card never blocks", async () => {
    await using attached = await attach();
    const { daemon } = attached;
    const session = await attached.connect();
    using transmit = daemon.hold(Cmd.Transmit);
    const answer = session.transmit(Uint8Array.of(0), { send: 2, receive: 2 });
    await transmit.caught;
    daemon.pull(second);
    await attached.follow();
    transmit.release();
    await answer;
  });
});

describe("an event in the middle of an answer", () => {
  test.each<[Spot]>([["before size"], ["before array"], ["between records"], ["before mark"]])(
    "%s loses and corrupts nothing",
    async (where) => {
      await using attached = await attach({ kind: "2.5.1" });
      const { daemon, service } = attached;
      let left = 3;
      daemon.between = (spot) => {
        if (spot !== where || left === 0) return;
        left -= 1;
        if (left % 2 === 0) daemon.pull(first);
        else daemon.insert(first, otherAtr);
      };
      const seen = new Set<string>();
      const stop = new AbortController();
      const watching = (async () => {
        for await (const readers of service.watch({ signal: stop.signal }))
          seen.add(shown(readers));
      })();
      daemon.pull(first); // its event makes the service ask, and the next one falls into the answer
      await daemon.until(() => left === 0);
      await attached.follow();
      stop.abort();
      await watching;
      expect(daemon.connections.size).toBeGreaterThan(0);
      expect(
        daemon.asked(Cmd.Version).filter(({ connection }) => connection === 1).length,
      ).toBeGreaterThan(3);
      // It was never taken for damage: the watcher's connection is still the first one.
      expect(daemon.asked(Cmd.Wait).every(({ connection }) => connection === 1)).toBe(true);
    },
  );

  test.each<[Spot]>([["before size"], ["before array"], ["before mark"]])(
    "%s of a daemon without readers is understood as well",
    async (where) => {
      await using attached = await attach({ kind: "2.5.1", readers: [] });
      const { daemon } = attached;
      let done = false;
      daemon.between = (spot) => {
        if (spot !== where || done) return;
        done = true;
        daemon.plug(fakeReader("New 00 00", { atr }));
      };
      daemon.event();
      await daemon.until(() => done);
      await attached.follow();
      expect(attached.service.readers.map(({ name }) => name)).toEqual(["New 00 00"]);
      expect(daemon.asked(Cmd.Wait).every(({ connection }) => connection === 1)).toBe(true);
    },
  );

  test.each(Array.from({ length: 25 }, (_, seed) => [seed + 1]))(
    "anywhere, seed %i",
    async (seed) => {
      const random = seeded(seed);
      await using attached = await attach({ kind: "2.5.1" });
      const { daemon, service } = attached;
      /** Each record that was ever true, and so may be shown. */
      const truths = new Set<string>();
      const note = () => {
        for (const reader of daemon.readers) truths.add(shown([reader]));
      };
      let left = 60;
      const change = () => {
        if (left === 0) return;
        left -= 1;
        const reader = daemon.readers[Math.floor(random() * daemon.readers.length)];
        const dice = random();
        if (dice < 0.15 && daemon.readers.length < 9)
          daemon.plug(fakeReader(`New ${left} 00`, random() < 0.5 ? { atr } : {}));
        else if (reader && dice < 0.3 && daemon.readers.length > 1) daemon.unplug(reader.name);
        else if (reader?.atr) daemon.pull(reader.name);
        else if (reader) daemon.insert(reader.name, random() < 0.5 ? atr : otherAtr);
        note();
      };
      note();
      daemon.between = () => {
        if (random() < 0.3) change();
      };
      const corrupt: string[] = [];
      const stop = new AbortController();
      const watching = (async () => {
        for await (const readers of service.watch({ signal: stop.signal }))
          for (const reader of readers)
            if (!truths.has(shown([reader]))) corrupt.push(shown([reader]));
      })();
      for (let turns = 0; turns < 100; turns++) {
        change();
        if (random() < 0.7) await attached.settle();
      }
      daemon.between = undefined;
      await attached.follow();
      stop.abort();
      await watching;
      expect(corrupt).toEqual([]);
      expect(daemon.asked(Cmd.Wait).every(({ connection }) => connection === 1)).toBe(true);
    },
  );
});

describe("an event that crosses STOP", () => {
  test.each<[Kind, string]>([
    ["1.8.18", "which answers STOP all the same"],
    ["1.8.23", "for which it is the answer"],
    ["1.9.9", "likewise"],
    ["2.5.1", "likewise"],
  ])("of %s, %s", async (kind) => {
    await using attached = await attach({ kind });
    const { daemon, service } = attached;
    for (let times = 1; times <= 3; times++) {
      await attached.follow();
      using stop = daemon.hold(Cmd.Stop);
      service.refresh();
      await stop.caught;
      if (times % 2 === 1) daemon.pull(first);
      else daemon.insert(first, otherAtr);
      stop.release();
      await attached.follow();
    }
    daemon.unplug(second);
    await attached.follow();
    // It was never taken for damage: the watcher's connection is still the first one.
    expect(daemon.asked(Cmd.Wait).every(({ connection }) => connection === 1)).toBe(true);
  });
});

describe("an application sees its own effects at once", () => {
  const sharing = (attached: { service: { readers: readonly { sharing: number }[] } }) =>
    attached.service.readers[0]?.sharing;

  test("although the daemon announces none of them", async () => {
    await using attached = await attach();
    const { service } = attached;
    const protocol = () => service.readers[0]?.protocol;
    expect([sharing(attached), protocol()]).toEqual([0, 0]);
    const one = await attached.connect();
    expect([sharing(attached), protocol()]).toEqual([1, 2]);
    const two = await attached.connect();
    expect(sharing(attached)).toBe(2);
    await two.disconnect(0);
    expect(sharing(attached)).toBe(1);
    await one.reconnect({ share: 1, protocols: 3 }, 0);
    expect(sharing(attached)).toBe(-1);
    await one.reconnect({ share: 2, protocols: 3 }, 0);
    expect(sharing(attached)).toBe(1);
    await one.disconnect(1);
    expect([sharing(attached), protocol()]).toEqual([0, 0]);
    await attached.settle();
    expect([sharing(attached), protocol()]).toEqual([0, 0]);
  });

  test("but not those that there were not: an eject, and an end that was refused", async () => {
    await using attached = await attach();
    const { service } = attached;
    const protocol = () => service.readers[0]?.protocol;
    const { signal } = new AbortController();
    const one = await attached.connect();
    const two = await attached.connect();
    await one.begin({ signal });
    await expect(two.end(1)).rejects.toMatchObject({ rv: 0x8010000b });
    expect(protocol()).toBe(2);
    await one.end(3);
    expect(protocol()).toBe(2);
    await expect(two.end(1)).rejects.toMatchObject({ rv: 0x80100016 });
    expect(protocol()).toBe(0);
  });

  test("and what others do comes with the daemon's list", async () => {
    await using attached = await attach({ readers: [{ ...cards[0], sharing: 0 }] });
    const { daemon } = attached;
    const other = { notice: 0 };
    daemon.slot(first)?.connect(other, { share: 1, protocols: 3 });
    daemon.event();
    await daemon.until(() => daemon.asked(Cmd.Wait).length > 1);
    await attached.settle();
    expect(sharing(attached)).toBe(-1);
    daemon.slot(first)?.close(other, 0);
    daemon.event();
    await daemon.until(() => daemon.asked(Cmd.Wait).length > 2);
    await attached.settle();
    expect(sharing(attached)).toBe(0);
  });

  test("a card without power looks so after a disconnect that took it", async () => {
    await using attached = await attach();
    const session = await attached.connect();
    expect(attached.service.readers[0]?.stateBits).toBe(0x34);
    await session.disconnect(2);
    expect(attached.service.readers[0]).toMatchObject({ stateBits: 4, protocol: 0 });
  });
});
