import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ProtocolError } from "../../domain/errors.ts";
import { Backlog } from "./backlog.ts";

/** One direction: frames are numbers, a connection delivers a prefix of what was written to it. */
const step = fc.oneof(
  fc.record({ do: fc.constant("send" as const) }),
  fc.record({ do: fc.constant("deliver" as const), frames: fc.nat(5) }),
  fc.record({ do: fc.constant("acknowledge" as const) }),
  fc.record({ do: fc.constant("break" as const) }),
);

test("whatever connections lose, each frame arrives once and in order", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const [sender, receiver] = [new Backlog(), new Backlog()];
      const taken: number[] = [];
      let sent = 0;
      let onTheWay: Uint8Array[] = [];
      const take = (frame: Uint8Array): void => {
        receiver.receive();
        taken.push(frame[0] ?? -1);
      };
      const reconnect = (): void => {
        sender.acknowledge(receiver.received);
        onTheWay = [...sender];
      };
      for (const one of steps) {
        if (one.do === "send") {
          const frame = Uint8Array.of(sent % 256);
          sent += 1;
          sender.push(frame);
          onTheWay.push(frame);
        } else if (one.do === "deliver") onTheWay.splice(0, one.frames).forEach(take);
        else if (one.do === "acknowledge") sender.acknowledge(receiver.received);
        else reconnect();
      }
      reconnect();
      onTheWay.forEach(take);
      expect(taken).toEqual(Array.from({ length: sent }, (_, number) => number % 256));
      sender.acknowledge(receiver.received);
      expect([sender.length, sender.bytes]).toEqual([0, 0]);
    }),
  );
});

test("a count that cannot be is refused", () => {
  const backlog = new Backlog();
  backlog.push(Uint8Array.of(1));
  backlog.acknowledge(1);
  for (const count of [0, 2, -1, 0.5, Number.NaN, 2 ** 53])
    expect(() => backlog.acknowledge(count)).toThrow(ProtocolError);
  expect(backlog.sent).toBe(1);
});
