import { expect, test } from "vitest";
import { CardwireError } from "../domain/errors.ts";
import {
  answerLine,
  failureLine,
  isAnswer,
  type LendOrder,
  type Order,
  orderLine,
  parseAnswer,
  parseOrder,
} from "./order.ts";

const session = {
  secret: "0f".repeat(32),
  place: "cardhost",
  graceMs: 30_000,
  lockMs: 10_000,
  pipelining: true,
  keepWarm: false,
};
const keep = {
  do: "keep" as const,
  ...session,
  pcscd: "/run/pcscd/pcscd.comm",
  rememberFeatures: true,
  keepTrying: false,
};
const lend: LendOrder = {
  do: "lend",
  ...session,
  name: "work",
  path: "/tmp/pcscd.comm",
  mode: 0o660,
  group: "cards",
  prefetch: true,
  slots: 48,
  first: ["Yubico*"],
};

const orders: readonly Order[] = [keep, lend, { do: "relay", socket: "/run/link" }];
test.each(orders.map((order) => [order.do, order] as const))(
  "%s arrives as it was given",
  (_, order) => {
    expect(parseOrder(orderLine(order).trimEnd())).toEqual(order);
  },
);

test.each([
  ["nothing", ""],
  ["a shell's greeting", "Welcome!"],
  ["no JSON", "cardwire-order: {"],
  ["an order of another time", orderLine({ ...keep, do: "serve" } as unknown as Order)],
  ["a short secret", orderLine({ ...keep, secret: "0f" })],
  ["a relative socket", orderLine({ ...keep, pcscd: "pcscd.comm" })],
  ["a grace time of days", orderLine({ ...keep, graceMs: 1e9 })],
  ["rights that there are not", orderLine({ ...lend, mode: 0o4777 })],
  ["slots of nobody's", orderLine({ ...lend, slots: 17 })],
  ["globs that are none", orderLine({ ...lend, first: [1] as unknown as string[] })],
])("%s is no order", (_, line) => {
  expect(() => parseOrder(line.trimEnd())).toThrow(/order/);
});

test("an answer tells where the agent is, and the socket of those that lend", () => {
  const lent = { path: "/tmp/pcscd.comm", closedDoor: "/tmp/x" };
  const kept = { socket: "/run/link", version: "1.2.3", endsWithLogin: true, lent };
  const line = answerLine(kept).trimEnd();
  expect(isAnswer(line)).toBe(true);
  expect(parseAnswer(line)).toEqual(kept);
});

test("who has the readers is told by an agent that joined a serve, or was refused by one", () => {
  const kept = { socket: "/run/link", version: "1.2.3", endsWithLogin: false, lent: undefined };
  const parsed = (more: object) => parseAnswer(answerLine({ ...kept, ...more }).trimEnd());
  expect(parsed({ by: "serve" })).toEqual({ ...kept, by: "serve" });
  expect(parsed({ refusal: "it refuses\u0007" })).toEqual({ ...kept, refusal: "it refuses?" });
  // Of another time, or not to be believed.
  expect(parsed({ by: "somebody", refusal: 7 })).toEqual(kept);
  expect(parsed({ refusal: "x".repeat(1_000) }).refusal).toHaveLength(256);
});

test("what went wrong over there is told here, fit for a terminal", () => {
  const error = new CardwireError("E_NO_PCSCD", "no\u001b[31m pcscd", {
    hint: "start\u0007 it:\n  systemctl start pcscd",
  });
  expect(() => parseAnswer(failureLine(error).trimEnd())).toThrow(
    expect.objectContaining({
      code: "E_NO_PCSCD",
      message: "no?[31m pcscd",
      hint: "start? it:\n  systemctl start pcscd",
    }),
  );
});
