import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { CardSession } from "../../domain/card-service.ts";
import type { SoftwareCard } from "../../software-cards/card.ts";
import { Algorithm } from "../../software-cards/piv/algorithms.ts";
import { PivCard } from "../../software-cards/piv/card.ts";
import { provision } from "../../software-cards/piv/provision.ts";
import type { PivState } from "../../software-cards/piv/state.ts";
import { SoftwareReaders } from "../software/service.ts";
import { Policy } from "./policy.ts";
import type { Profile } from "./profiles.ts";

// Any bytes at all, in any order, by several identities at once, against the PIV card itself.

const READER = "Any 00 00";
const PIN = "313233343536ffff";
const hex = (text: string): Uint8Array => Buffer.from(text, "hex");

let fresh: PivState;
beforeAll(async () => {
  fresh = await provision({ name: "P", algorithm: Algorithm.EccP256, now: new Date(0) });
});

/** One thing that a session does. */
type Step =
  | { readonly by: number; readonly apdu: Uint8Array }
  | { readonly by: number; readonly does: "begin" | "end" | "reset" | "reconnect" };

/** What reached the card. */
interface Run {
  readonly by: number;
  readonly command: Uint8Array;
  readonly before: PivState;
  readonly after: PivState;
  readonly sw: number;
}

/** Carries steps out, one after the other, by sessions of these profiles. */
async function play(profiles: readonly Profile[], steps: readonly Step[]) {
  const card = new PivCard(fresh);
  const runs: Run[] = [];
  let by = 0;
  const watched: SoftwareCard = {
    atr: card.atr,
    reset: () => card.reset(),
    process: async (command) => {
      const before = card.state;
      const answer = await card.process(command);
      const sw = (answer.at(-2)! << 8) | answer.at(-1)!;
      runs.push({ by, command: command.slice(), before, after: card.state, sw });
      return answer;
    },
  };
  await using readers = new SoftwareReaders([READER]);
  await readers.insert(READER, watched);
  const policy = new Policy();
  const sessions: CardSession[] = [];
  for (const [index, profile] of profiles.entries()) {
    const grant = { principal: { name: `p${index}` }, profile, readers: ["*"] };
    const how = { share: 2, protocols: 3, principal: grant.principal };
    const { signal } = new AbortController();
    sessions.push((await policy.view(readers, grant).connect(READER, how, { signal })).session);
  }
  for (const step of steps) {
    by = step.by % sessions.length;
    await act(sessions[by]!, step).catch(() => {}); // held by another, or reset
  }
  return { card, runs };
}

async function act(session: CardSession, step: Step): Promise<unknown> {
  if ("apdu" in step) return await session.transmit(step.apdu, { send: 2, receive: 2 });
  if (step.does === "begin") return await session.begin({ signal: new AbortController().signal });
  if (step.does === "end") return await session.end(0);
  if (step.does === "reset") return await session.reconnect({ share: 2, protocols: 3 }, 1);
  return await session.reconnect({ share: 2, protocols: 3 }, 0);
}

const INS = [
  0x20, 0x21, 0x24, 0x2c, 0x47, 0x87, 0x86, 0xa4, 0xc0, 0xcb, 0xca, 0xdb, 0xda, 0xf6, 0xf7, 0xf8,
  0xf9, 0xfa, 0xfb, 0xfd, 0xfe, 0xff, 0x70, 0x2a, 0x22, 0x88, 0x84,
];
const CLASSES = [
  0x00, 0x00, 0x00, 0x00, 0x10, 0x10, 0x0c, 0x1c, 0x04, 0x01, 0x11, 0x40, 0x50, 0x60, 0x80, 0x90,
  0xa0,
];

/** Commands that do something where nobody stops them. */
const DANGEROUS = [
  ["0020", "0080", PIN],
  ["0020", "0080", "313233343537ffff"],
  ["0020", "ff80", ""],
  ["0024", "0080", `${PIN}3837363534333231`],
  ["0024", "0081", "31323334353637383837363534333231"],
  ["002c", "0080", "313233343536373838373635343332ff"],
  ["002c", "0080", "31323334353637393837363534333231"],
  ["0087", "119e", `7c2482008120${"5a".repeat(32)}`],
  ["0087", "119a", `7c2482008120${"5a".repeat(32)}`],
  ["0087", "119c", `7c2482008120${"5a".repeat(32)}`],
  ["0087", "11f9", `7c2482008120${"5a".repeat(32)}`],
  ["0087", "039b", "7c028000"],
  ["0087", "039b", "7c028100"],
  ["00db", "3fff", "5c035fc10553027000"],
  ["0047", "009a", "ac03800111"],
  ["00f6", "829a", ""],
  ["00f9", "9a00", ""],
  ["00fa", "0505", ""],
  ["00fb", "0000", ""],
  ["00fe", "119a", `0620${"01".repeat(32)}`],
  ["00ff", "ffff", "039b180102030405060708010203040506070801020304050607ff"],
] as const;
const HARMLESS = [
  "00a4040005a000000308",
  "00a404000ba000000308000010000100",
  "00a4040009a00000030800001000",
  "00a4040205a000000308",
  "00a4040007a0000005272101",
  "00a404000000",
  "00a40000023f00",
  "00cb3fff055c035fc102",
  "00cb3fff035c017e",
  "00c0000000",
  "00200080",
  "00f7009a00",
  "00700000",
];

const dangerous = fc.constantFrom(...DANGEROUS).map(([start, p, data]) => ({
  header: hex(`${start}${p}`),
  data: hex(data),
}));

/** A command in one of the forms that there are, or nearly. */
const formed = fc
  .tuple(dangerous, fc.constantFrom(...CLASSES), fc.nat(9), fc.uint8Array({ maxLength: 3 }))
  .map(([{ header, data }, cla, form, junk]) => {
    const [ins, p1, p2] = header.subarray(1);
    const head = [cla, ins!, p1!, p2!];
    const { length } = data;
    if (form === 0) return Uint8Array.of(...head);
    if (form === 1) return Uint8Array.of(...head, 0);
    if (form === 2) return Uint8Array.of(...head, 0, 0, length, ...data);
    if (form === 3) return Uint8Array.of(...head, 0, 0, length, ...data, 0, 0);
    if (form === 4) return Uint8Array.of(...head, length, ...data, ...junk);
    if (form === 5) return Uint8Array.of(...head, length + 1, ...data);
    if (form === 6) return Uint8Array.of(...head, length, ...data, 0);
    if (length === 0) return Uint8Array.of(...head);
    return Uint8Array.of(...head, length, ...data);
  });

/** The same in two parts, as it should be, or with other headers. */
const chained = fc
  .tuple(dangerous, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(5), fc.constantFrom(0, 0, 1))
  .map(([{ header, data }, at, swap, channel]) => {
    const cut = Math.floor(data.length * at);
    const [ins = 0, p1 = 0, p2 = 0] = header.subarray(1);
    const part = (cla: number, other: number, piece: Uint8Array) =>
      piece.length === 0
        ? Uint8Array.of(cla, other, p1, p2)
        : Uint8Array.of(cla, other, p1, p2, piece.length, ...piece);
    const first = part(0x10 | channel, swap === 0 ? 0xcb : ins, data.subarray(0, cut));
    return [first, part(swap === 1 ? 1 : 0, swap === 2 ? 0x20 : ins, data.subarray(cut))];
  });

const headed = fc
  .tuple(fc.constantFrom(...CLASSES), fc.constantFrom(...INS), fc.uint8Array({ maxLength: 12 }))
  .map(([cla, ins, rest]) => Uint8Array.of(cla, ins, ...rest));

const apdus: fc.Arbitrary<readonly Uint8Array[]> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...HARMLESS).map((one) => [hex(one)]) },
  { weight: 4, arbitrary: formed.map((one) => [one]) },
  { weight: 3, arbitrary: chained },
  { weight: 2, arbitrary: headed.map((one) => [one]) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((one) => [one]) },
);

/** Steps of several sessions: mostly whole commands, at times with another's between their parts. */
const steps = fc
  .array(
    fc.tuple(
      fc.nat(5),
      fc.oneof(
        { weight: 9, arbitrary: apdus.map((all) => all.map((apdu) => ({ apdu }))) },
        {
          weight: 1,
          arbitrary: fc
            .constantFrom("begin", "end", "end", "reset", "reconnect")
            .map((does) => [{ does } as const]),
        },
      ),
      fc.boolean(),
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((groups) => {
    const all: Step[] = [{ by: 0, apdu: hex(HARMLESS[0]!) }];
    const late: Step[] = [];
    for (const [by, group, isTorn] of groups) {
      const [first, ...rest] = group.map((one): Step => ({ by, ...one }));
      all.push(first!, ...late.splice(0));
      (isTorn ? late : all).push(...rest);
    }
    return [...all, ...late];
  });

const isPlainVerify = ({ command }: Run) => command[1] === 0x20;
const usesKey = ({ command, sw }: Run) =>
  [0x86, 0x87, 0xf9, 0x88, 0x2a].includes(command[1]!) && (sw === 0x9000 || sw >> 8 === 0x61);
const isVerified = async (card: PivCard) =>
  Buffer.from(await card.process(hex("00200080"))).toString("hex") === "9000";

const RUNS = Number(process.env["CARDWIRE_POLICY_RUNS"] ?? 150);

describe("look", () => {
  test("changes nothing, verifies nothing, uses no key", { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const { card, runs } = await play(["look", "look"], all);
        expect(card.state).toBe(fresh);
        expect(runs.filter(usesKey)).toEqual([]);
        expect(runs.filter((run) => isPlainVerify(run) && run.sw === 0x9000)).toEqual([]);
        await card.process(hex("00a4040005a000000308"));
        expect(await isVerified(card)).toBe(false);
      }),
      { numRuns: RUNS },
    );
  });

  test("nor among others who may", { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const { runs } = await play(["look", "use", "manage"], all);
        const own = runs.filter(({ by }) => by === 0);
        expect(own.filter(({ before, after }) => before !== after)).toEqual([]);
        expect(own.filter(usesKey)).toEqual([]);
        // Where VERIFY says that it was verified, somebody else did that before.
        const verifying = runs.filter(
          ({ command, sw }) => [0x20, 0x24].includes(command[1]!) && sw === 0x9000,
        );
        expect(verifying[0]?.by).not.toBe(0);
      }),
      { numRuns: RUNS },
    );
  });
});

describe("use", () => {
  const kept = ({ pin, puk, keys, objects, managementKey, serial }: PivState) => ({
    pin: pin.value,
    puk,
    keys,
    objects,
    managementKey,
    serial,
  });

  test("changes no object, key or PIN, and leaves a try of it", { timeout: 600_000 }, async () => {
    let signatures = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const { card, runs } = await play(["use", "look", "use"], all);
        const [now, then] = [kept(card.state), kept(fresh)];
        for (const key of Object.keys(then) as (keyof typeof then)[])
          expect(now[key]).toBe(then[key]);
        expect(card.state.pin.triesLeft).toBeGreaterThan(0);
        signatures += runs.filter(usesKey).length;
        expect(runs.filter((run) => usesKey(run) && run.by === 1)).toEqual([]);
      }),
      { numRuns: RUNS },
    );
    expect(signatures).toBeGreaterThan(0);
  });
});
