import { expect, test } from "vitest";
import { CardwireError } from "../../domain/errors.ts";
import { judgeOwnServe, type OwnServeFacts } from "./own-serve.ts";

const DAY = 86_400_000;
const NOW = Date.parse("2026-11-28T12:00:00Z");
const facts: OwnServeFacts = {
  state: "known",
  path: "/state/serve",
  people: 2,
  isMembers: false,
  authorityUntil: NOW + 3_000 * DAY,
  serverUntil: NOW + 300 * DAY,
  now: NOW,
  port: 7816,
  running: "yes",
  holder: { pid: 9, name: "node" },
  local: "answers",
};

const short = (given: Partial<OwnServeFacts>) =>
  judgeOwnServe({ ...facts, ...given }).map(({ check, level }) => `${check} ${level}`);

test("one that runs, and one that never did", () => {
  expect(short({})).toEqual([
    "serve-authority good",
    "serve-certificate good",
    "serve-runs good",
    "serve-local good",
  ]);
  expect(judgeOwnServe(undefined)).toEqual([]);
});

test("a state that is open to others", () => {
  const error = new CardwireError("E_STATE", "open", { hint: "chmod 700 '/state/serve'" });
  expect(judgeOwnServe({ state: "unusable", error })).toEqual([
    { check: "serve-state", level: "fault", what: "open", remedy: "chmod 700 '/state/serve'" },
  ]);
});

test.each([
  [-1, "serve-authority fault"],
  [30, "serve-authority warning"],
  [91, "serve-authority good"],
])("an authority that ends in %i days", (days, expected) => {
  expect(short({ authorityUntil: NOW + days * DAY })[0]).toBe(expected);
});

test("a certificate that expired is a fault while serve runs; the next start renews it", () => {
  const serverUntil = NOW - DAY;
  expect(short({ serverUntil })).toContain("serve-certificate fault");
  expect(short({ serverUntil, running: "no" }).join()).not.toContain("serve-certificate");
  expect(short({ serverUntil, isMembers: true }).join()).not.toContain("serve-certificate");
});

test("one that was stopped, and somebody else at its port", () => {
  const stopped = { running: "no", holder: undefined } as const;
  expect(short(stopped).slice(2)).toEqual(["serve-stopped note"]);
  const taken = judgeOwnServe({ ...facts, running: "no" }).at(-1);
  expect(taken).toMatchObject({ check: "serve-port-taken", level: "warning" });
  expect(taken?.what).toBe("node (process 9) listens at port 7816, where serve did last");
});

test("one that does not answer, and one without a socket for users of this computer", () => {
  expect(short({ running: "silent" })).toContain("serve-silent fault");
  expect(short({ local: "missing" })).toContain("serve-local note");
});
