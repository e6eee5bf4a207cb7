import { expect, test } from "vitest";
import { liveServer } from "../fuzz/live-server.ts";
import { cancelStorm, connectStorm, neverRead, useOfOthers } from "../fuzz/storms.ts";
import { resourcesOf } from "../fuzz/resources.ts";

test("a live server", async () => {
  await using live = await liveServer();
  const rest = await live.settled();
  console.log(rest);
  await useOfOthers(live.socket);
  for (let round = 0; round < 1; round++) {
    await live.fuzz({ count: 1000, from: 1 + round * 1000, atOnce: 24 });
    console.log(await live.settled(), live.proxy.open, live.proxy.most, live.good.rounds);
  }
  await connectStorm(live.socket, { count: 1000 });
  await cancelStorm(live.socket, { count: 500, seed: 1 });
  console.log(await live.settled());
  await neverRead(live.socket, { peers: 12, requests: 10_000 }, async () => {
    console.log("unread", await resourcesOf(live.attached.program.pid));
  });
  console.log(await live.settled(), live.proxy.open, live.proxy.most, live.good.rounds);
  console.log(Object.fromEntries(live.proxy.requests));
  expect(live.proxy.violations).toEqual([]);
}, 600_000);
