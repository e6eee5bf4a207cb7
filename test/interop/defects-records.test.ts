import { describe, expect, test } from "vitest";
import { fakeReader } from "../../src/testing/index.ts";
import { client, simulated } from "../defects/sockets.ts";
import { until } from "../lab/processes.ts";
import { suite } from "../lab/suites.ts";
import { here, type PcscClient, type Programs, SUCCESS } from "../pcsc/client.ts";
import { atr, cards, first, second } from "../replay/attached.ts";
import { textIn, words } from "../replay/bytes.ts";
import { Cmd } from "../replay/commands.ts";
import { startDaemon, type Twist } from "../replay/daemon.ts";

// What a daemon may send that is no good: lengths and names in slot records, and answers that are none. libpcsclite
// believes all of it; through cardwire programs get what makes sense. The daemons are simulated, since no real one
// does it on demand.

const INSUFFICIENT_BUFFER = "0x80100008";
const names = cards.map(({ name }) => name);

const generations: readonly (readonly [string, () => Programs])[] = [
  ["Debian 11", () => suite("bullseye")],
  ["this computer", () => here],
  ["Debian 13", () => suite("trixie")],
  ["Debian unstable", () => suite("sid")],
];

const stateOf = (...readers: readonly string[]) => ({
  context: "a",
  readers: readers.map((reader) => [reader, 0]),
});

describe("an ATR that is longer than any", () => {
  /** "Not initialised" in the first reader, and what C takes for −1 in the second. */
  const spoil = (record: Buffer): Buffer => {
    const name = textIn(record.subarray(0, 128));
    if (name === first) record.writeUInt32LE(34, 176);
    if (name === second) record.writeUInt32LE(0xffffffff, 176);
    return record;
  };

  test.each(generations)("%s", async (_, programs) => {
    await using both = await simulated({ kind: "2.4.1", spoil });
    const options = { programs: programs() };
    {
      await using program = await client(both.direct, options);
      await program.must("list", { context: "a" });
      // One byte behind the application's field, which has 33.
      expect(await program.must("change", stateOf(first))).toMatchObject({
        states: [{ atrLength: 34 }],
      });
      await expect(program.call("change", stateOf(second))).rejects.toThrow("the program ended");
    }
    await using program = await client(both.through, options);
    expect(await program.must("change", stateOf(first, second))).toMatchObject({
      states: [
        { atrLength: 0, event: 0x22 },
        { atrLength: 0, event: 0x22 },
      ],
    });
    for (const reader of [first, second]) {
      await program.must("connect", { context: "a", card: "c", reader });
      expect(await program.must("status", { card: "c" })).toMatchObject({ reader, atr: "" });
      const answer = await program.must("transmit", { card: "c", apdu: "00a40000" });
      expect(answer).toMatchObject({ answer: "00a400009000" });
    }
  });

  const lengths = [35, 64, 264, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe];
  test.each(lengths)("of %i bytes", async (length) => {
    await using both = await simulated({
      spoil: (record) => {
        record.writeUInt32LE(length, 176);
        return record;
      },
    });
    await using program = await client(both.through);
    const { states } = await program.must("change", stateOf(second));
    expect(states).toMatchObject([{ atrLength: 0, event: 0x22 }]);
  });
});

/** No defect: libpcsclite pauses 0.4 s where a card is present and has no ATR, and cardwire does not hide such a card. */
test.each([
  ["mute", 0x0c, 0x222],
  ["not powered yet", 0x04, 0x22],
])("a card that is %s looks as it does directly", async (_, state, event) => {
  const spoil = (record: Buffer): Buffer => {
    if (textIn(record.subarray(0, 128)) === first) {
      record.writeUInt32LE(state, 132);
      record.writeUInt32LE(0, 176);
    }
    return record;
  };
  await using both = await simulated({ spoil });
  const seen = [];
  for (const socket of [both.direct, both.through]) {
    await using program = await client(socket);
    const { rv, states } = await program.call("change", stateOf(first));
    seen.push({ rv, states });
  }
  expect(seen[0]).toMatchObject({ rv: SUCCESS, states: [{ event, atr: "" }] });
  expect(seen[1]).toEqual(seen[0]);
});

describe("a name", () => {
  test("without an end", async () => {
    const spoil = (record: Buffer): Buffer => {
      if (textIn(record.subarray(0, 128)) === first) record.fill("N", 0, 128);
      return record;
    };
    await using both = await simulated({ kind: "2.4.1", spoil });
    await using direct = await client(both.direct);
    // It runs on into what follows the name: the event counter.
    const [name] = (await direct.must("list", { context: "a" }))["readers"] as [string];
    expect(name).toBe(`${"N".repeat(128)}\u0001`);
    for (const [, programs] of generations) {
      await using program = await client(both.through, { programs: programs() });
      const { readers } = await program.must("list", { context: "a" });
      expect(readers).toEqual(["N".repeat(127), ...names.slice(1)]);
    }
  });

  test.each([
    ["of Latin-1", "Lecteur int\udce9gr\udce9 00 00"],
    ["of 127 bytes that are no text", `${"\udcff".repeat(121)} 00 00`],
    ["that is cut off in the middle of a character", `${"n".repeat(126)}\udcc3`],
    ["of UTF-8", "Kartenleser für Bürger 00 00"],
  ])("%s is the same on either way, and connects", async (_, name) => {
    // The simulated daemon's own names are text: it has U+FFFD where the record gets the byte.
    const text = name.replaceAll(/[\udc80-\udcff]/gu, "\ufffd");
    const bytes = Buffer.concat(
      Array.from(name, (letter) => {
        const code = letter.charCodeAt(0);
        return code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(letter);
      }),
    );
    const spoil = (record: Buffer): Buffer => {
      if (record[0] !== 0) record.fill(0, 0, 128).set(bytes);
      return record;
    };
    const reader = fakeReader(text, { atr, eventCounter: 1 });
    await using both = await simulated({ readers: [reader], spoil });
    for (const socket of [both.direct, both.through]) {
      await using program = await client(socket);
      expect(await program.must("list", { context: "a" })).toMatchObject({ readers: [name] });
      await program.must("connect", { context: "a", card: "c", reader: name });
      expect(await program.must("status", { card: "c" })).toMatchObject({ reader: name });
    }
  });
});

describe("an answer that is longer than the program's buffer", () => {
  // pcscd itself says SCARD_E_INSUFFICIENT_BUFFER, which libpcsclite relies on.
  test.each(generations)("%s", async (_, programs) => {
    const answer = Buffer.alloc(60_000, "A");
    await using both = await simulated({ kind: "2.4.1", hooks: { transmit: () => answer } });
    const results = async (socket: string) => {
      await using program = await client(socket, { programs: programs() });
      await program.must("connect", { context: "a", card: "c", reader: first });
      const { rv } = await program.call("transmit", { card: "c", apdu: "00a40000", room: 10 });
      return { rv, readers: (await program.call("list", { context: "a" }))["readers"] };
    };
    // Up to 1.9.5 it writes over the program's memory, later it takes the answer's end for other answers.
    const died = { rv: "the program ended", readers: [] };
    const direct = await results(both.direct).catch(() => died);
    expect(direct.readers).not.toEqual(names);
    expect(await results(both.through)).toEqual({ rv: INSUFFICIENT_BUFFER, readers: names });
  });
});

describe("an answer that is none", () => {
  const garbage = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) & 0xff));
  const set =
    (value: number, at: number): Twist =>
    (reply) => {
      words("little", value).copy(reply, at);
      return reply;
    };
  const instead =
    (bytes: Buffer): Twist =>
    () => ({ send: bytes, thenHangUp: true });

  /** Of the commands on a card: whatever the answer, there is a code. */
  const onCards: readonly (readonly [string, number, Twist, string, object])[] = [
    [
      "connect",
      Cmd.Connect,
      instead(garbage),
      "connect",
      { context: "a", card: "d", reader: first },
    ],
    ["transmit", Cmd.Transmit, set(0x7fffffff, 24), "transmit", { card: "c", apdu: "00a40000" }],
    ["transmit", Cmd.Transmit, set(-1, 24), "transmit", { card: "c", apdu: "00a40000" }],
    ["control", Cmd.Control, set(65_549, 16), "control", { card: "c", code: 0x42000d48 }],
    ["attribute", Cmd.GetAttrib, set(265, 272), "getattrib", { card: "c", attribute: 0x7fff0003 }],
    ["status", Cmd.Status, instead(garbage.subarray(0, 3)), "status", { card: "c" }],
    ["begin", Cmd.Begin, set(0xdeadbeef, 4), "begin", { card: "c" }],
    ["reconnect", Cmd.Reconnect, instead(Buffer.alloc(0)), "reconnect", { card: "c" }],
  ];

  test.each(onCards)(
    "to %s (0x%i) harms one handle at most",
    async (_, command, twist, call, args) => {
      await using both = await simulated({ kind: "2.4.1" });
      await using program = await client(both.through);
      await using other = await client(both.through, { programs: suite("sid") });
      await program.must("connect", { context: "a", card: "c", reader: first });
      await other.must("connect", { context: "a", card: "c", reader: second });
      both.daemon.twist(command, twist);
      expect((await program.call(call, args as Record<string, unknown>)).rv).toMatch(/^0x/);
      await isWell(other, "c");
      await program.must("reconnect", { card: "c" });
      await isWell(program, "c");
    },
  );

  const isWell = async (program: PcscClient, card: string): Promise<void> => {
    expect(await program.must("list", { context: "a" })).toMatchObject({ readers: names });
    await program.must("status", { card });
    const answer = await program.must("transmit", { card, apdu: "00a40000" });
    expect(answer).toMatchObject({ answer: "00a400009000" });
  };

  const onLists: readonly (readonly [string, number, Twist])[] = [
    ["a number of slots that is negative", Cmd.Size, set(-1, 0)],
    ["a number of slots that nobody has", Cmd.Size, set(257, 0)],
    ["fewer slots than are sent", Cmd.Size, set(2, 0)],
    ["an array of something else", Cmd.Size, instead(garbage)],
    ["half an answer", Cmd.Size, instead(garbage.subarray(0, 3))],
    ["no mark", Cmd.Version, instead(garbage.subarray(0, 40))],
  ];

  test.each(onLists)("to the question for readers: %s", async (_, command, twist) => {
    await using both = await simulated({ kind: "2.5.1" });
    const { daemon } = both;
    await using program = await client(both.through, { programs: suite("sid") });
    await program.must("list", { context: "a" });
    const before = daemon.asked(command).length;
    daemon.twist(command, twist);
    daemon.pull(second);
    await daemon.untilAsked(command, { count: before + 1 });
    // It is never wrong meanwhile, and right in the end.
    await until("the card to be gone", async () => {
      expect(await program.must("list", { context: "a" })).toMatchObject({ readers: names });
      const { states } = await program.must("change", stateOf(second));
      const [{ event }] = states as [{ event: number }];
      expect([0x12, 0x22]).toContain(event);
      return event === 0x12;
    });
  });

  test("directly, 2.5.x dies of a number of slots that nobody has, or sees nothing any more", async () => {
    await using daemon = await startDaemon({ kind: "2.5.1", readers: cards });
    await using program = await client(daemon.path, { programs: suite("sid") });
    daemon.twist(Cmd.Size, set(-1, 0));
    const outcome = await program.call("list", { context: "a" }).catch(() => undefined);
    expect(outcome?.["readers"] ?? []).not.toEqual(names);
  });
});
