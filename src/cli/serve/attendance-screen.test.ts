import { expect, test } from "vitest";
import { attendanceText } from "./attendance-screen.ts";

test("a line for each card, and one for each who waits", () => {
  const waiting = [
    { identity: "bob", what: "SCardTransmit", waitedMs: 1_234 },
    { identity: "carol", what: "lease", waitedMs: 50 },
  ];
  const text = attendanceText([
    { reader: "Card 00 00", holder: "alice", lease: { identity: "alice", fence: 7 }, waiting },
    { reader: "Card\u001b 01 00", waiting: [] },
    { reader: "Card 02 00", serial: "0006:1234\u001b", waiting: [] },
  ]);
  expect(text).toBe(
    [
      "serve:",
      "  Card 00 00: leased to alice, alice has it",
      "    1. bob waits (SCardTransmit, 1.2 s)",
      "    2. carol waits (lease, 0.1 s)",
      "  Card? 01 00: free",
      "  Card 02 00 (card 0006:1234?): free",
    ].join("\n"),
  );
  expect(attendanceText([])).toBe("serve:\n  no readers");
});
