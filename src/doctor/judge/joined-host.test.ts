import { describe, expect, test } from "vitest";
import { CardwireError } from "../../domain/errors.ts";
import { fakeReader } from "../../testing/index.ts";
import { type JoinedFacts, judgeJoined, type LinkFacts } from "./joined-host.ts";

const DAY = 86_400_000;
const NOW = Date.parse("2026-11-28T12:00:00Z");

const link = {
  tookMs: 40,
  server: "cardwire 0.2.0, pcscd protocol 4:5",
  readers: [fakeReader("Card 00 00")],
  roundTripMs: 2,
} as const;
const facts: JoinedFacts = {
  state: "known",
  name: "cardhost",
  identity: "alice",
  isMember: false,
  certificate: { from: NOW - 10 * DAY, to: NOW + 80 * DAY },
  now: NOW,
  port: 7816,
  addresses: [{ address: "192.0.2.7", tookMs: 12 }],
  release: "0.2.0",
  link,
};

const short = (given: Partial<JoinedFacts>) =>
  judgeJoined({ ...facts, ...given }).map(({ check, level }) => `${check} ${level}`);

test("all is well", () => {
  expect(short({})).toEqual([
    "joined-certificate good",
    "joined-address good",
    "joined-link good",
    "readers good",
    "line-round-trip good",
  ]);
});

test.each([
  ["E_NOT_JOINED", "joined-unknown"],
  ["E_STATE", "joined-state"],
] as const)("nothing is known of it (%s)", (code, check) => {
  const error = new CardwireError(code, "what", { hint: "how" });
  expect(judgeJoined({ state: "unknown", error })).toEqual([
    { check, level: "fault", what: "what", remedy: "how" },
  ]);
});

describe("our certificate", () => {
  const of = (from: number, to: number, isMember = false) => {
    const certificate = { from: NOW + from * DAY, to: NOW + to * DAY };
    return judgeJoined({ ...facts, isMember, certificate })[0];
  };

  test.each([
    [-89, -1, "joined-certificate-expired fault"],
    [1, 91, "joined-clock fault"],
    [-70, 20, "joined-certificate note"],
    [-10, 80, "joined-certificate good"],
  ])("from day %i to day %i: %s", (from, to, expected) => {
    const found = of(from, to);
    expect(`${found?.check} ${found?.level}`).toBe(expected);
  });

  test("is renewed by itself, unless it is an organisation's", () => {
    expect(of(-70, 20)?.remedy).toBeUndefined();
    expect(of(-70, 20, true)?.remedy).toContain("cardwire leave cardhost");
  });

  test("holds here, and has expired there: the clocks differ", () => {
    const failure = new CardwireError(
      "E_DENIED",
      "the card host refuses the link: the certificate of alice has expired",
    );
    const found = judgeJoined({ ...facts, link: { failure } }).at(-1);
    expect(found).toMatchObject({ check: "joined-clock", level: "fault" });
    expect(found?.what).toContain("2026-11-28T12:00:00");
  });
});

describe("addresses", () => {
  const refused = new CardwireError("E_UNREACHABLE", "a:7816: nobody listens there");
  const peer = new CardwireError("E_PEER", "a is not the card host that it should be");

  test.each([
    [{ failure: refused }, "joined-unreachable"],
    [{ failure: "silent" as const }, "joined-unreachable"],
    [{ failure: refused, isNameless: true }, "joined-name-unknown"],
    [{ failure: peer }, "joined-peer"],
  ])("one that is of no use is a fault only where no other one serves (%#)", (one, check) => {
    const bad = { address: "a", ...one };
    expect(short({ addresses: [bad], link: undefined })).toEqual([
      "joined-certificate good",
      `${check} fault`,
    ]);
    const level = check === "joined-peer" ? "warning" : "note";
    expect(short({ addresses: [bad, ...facts.addresses] })).toContain(`${check} ${level}`);
  });
});

describe("the link", () => {
  const of = (given: LinkFacts) => judgeJoined({ ...facts, link: given }).slice(2);

  test.each([
    [new CardwireError("E_DENIED", "the identity alice was revoked"), "joined-refused"],
    [new CardwireError("E_LINK", "it refuses the link: alice has 1 links"), "joined-link-failed"],
    ["silent", "joined-link-failed"],
  ] as const)("is not opened: %s", (failure, check) => {
    expect(of({ failure })).toMatchObject([{ check, level: "fault" }]);
  });

  test("another release is told, in whichever direction", () => {
    const found = of({ ...link, server: "cardwire 0.1.0, pcscd protocol 4:5" });
    expect(found.find(({ check }) => check === "joined-release")?.what).toBe(
      "cardhost runs cardwire 0.1.0, and this is 0.2.0",
    );
  });

  test("no readers are a warning, with where to look", () => {
    const found = of({ ...link, readers: [] });
    expect(found[1]).toMatchObject({ check: "joined-no-readers", level: "warning" });
    expect(found[1]?.remedy).toMatch(/^# on cardhost:\ncardwire doctor/);
  });
});
