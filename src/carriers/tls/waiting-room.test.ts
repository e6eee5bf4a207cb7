import { Socket } from "node:net";
import { expect, test } from "vitest";
import { networkOf, WaitingRoom } from "./waiting-room.ts";

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["::FFFF:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8:1:2::9", "2001:db8:1:2"],
  ["2001:db8::9", "2001:db8:0:0"],
  ["fe80::1%eth0", "fe80:0:0:0"],
  ["::1", "0:0:0:0"],
  ["::", "0:0:0:0"],
  ["", ""],
])("%s is one of the addresses of %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test("where it is full, those from where most are make room, not whoever came first", () => {
  const sentAway: Socket[] = [];
  const room = new WaitingRoom({ most: 4, mostEach: 3, limitMs: 60_000 }, (socket) =>
    sentAway.push(socket),
  );
  const enter = (address: string): Socket => {
    const socket = Object.defineProperty(new Socket(), "remoteAddress", { value: address });
    room.enter(socket);
    return socket;
  };
  const slow = enter("192.0.2.1");
  const crowd = [enter("192.0.2.2"), enter("192.0.2.2"), enter("192.0.2.2")];
  enter("192.0.2.3");
  enter("192.0.2.4");
  expect(sentAway).toEqual(crowd.slice(0, 2));
  expect(slow.destroyed).toBe(false);
  room.clear();
});
