import { expect, test } from "vitest";
import type { Reader } from "../../domain/card-service.ts";
import { Protocol, ReaderStateBit, ShareMode } from "../../domain/pcsc.ts";
import { Foresight } from "./foresight.ts";

const READY = ReaderStateBit.Present | ReaderStateBit.Powered | ReaderStateBit.Negotiable;
const EITHER = Protocol.T0 | Protocol.T1;

const reader = (protocol: number, eventCounter = 1, sharing = 0): Reader => ({
  name: "Reader",
  stateBits: READY,
  sharing,
  protocol,
  eventCounter,
  atr: Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01), // offers both
});

const idle = reader(Protocol.Undefined);
const shared = (foresight: Foresight, protocols: number, seen = idle) =>
  foresight.protocolOf(seen, ShareMode.Shared, protocols);

test("a card negotiates again what it negotiated for the same protocols", () => {
  const foresight = new Foresight();
  expect(shared(foresight, EITHER)).toBeUndefined();
  foresight.learn(idle, EITHER, Protocol.T1);
  expect(shared(foresight, EITHER)).toBe(Protocol.T1);
  expect(shared(foresight, Protocol.T0)).toBeUndefined();
});

test("a card that spoke a protocol does so for who wants no other", () => {
  const foresight = new Foresight();
  foresight.learn(reader(Protocol.T1), EITHER, Protocol.T1);
  expect(shared(foresight, Protocol.T1)).toBe(Protocol.T1);
  expect(shared(foresight, Protocol.T0)).toBeUndefined();
  expect(shared(foresight, EITHER)).toBe(Protocol.T1); // which its ATR makes the first choice
});

test("one that offers what nobody spoke with it yet may refuse that", () => {
  const foresight = new Foresight();
  foresight.learn(reader(Protocol.T0), Protocol.T0, Protocol.T0);
  expect(shared(foresight, Protocol.T0)).toBe(Protocol.T0);
  expect(shared(foresight, EITHER)).toBeUndefined();
});

test("another card has to show for itself", () => {
  const foresight = new Foresight();
  foresight.learn(idle, EITHER, Protocol.T1);
  expect(shared(foresight, EITHER, reader(Protocol.Undefined, 3))).toBeUndefined();
});

test("the active protocol decides while somebody uses the card", () => {
  const foresight = new Foresight();
  const used = reader(Protocol.T1, 1, 1);
  expect(shared(foresight, EITHER, used)).toBe(Protocol.T1);
  expect(shared(foresight, Protocol.T0, used)).toBeUndefined();
  expect(foresight.protocolOf(used, ShareMode.Direct, 0)).toBe(Protocol.T1);
});

test("where nobody does, it may have ended by then", () => {
  const foresight = new Foresight();
  const left = reader(Protocol.T1);
  expect(shared(foresight, EITHER, left)).toBeUndefined();
  expect(foresight.protocolOf(left, ShareMode.Direct, 0)).toBeUndefined();
  foresight.learn(idle, EITHER, Protocol.T0);
  expect(shared(foresight, EITHER, left)).toBeUndefined();
  foresight.learn(idle, EITHER, Protocol.T1);
  expect(shared(foresight, EITHER, left)).toBe(Protocol.T1);
});
