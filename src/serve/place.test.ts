import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkUsed, hasServed, rememberPlace } from "./place.ts";
import { withInvitation } from "./register.ts";
import { openStore, type Store } from "./store.ts";

let store: Store;
beforeEach(async () => {
  store = await openStore(await mkdtemp(join(tmpdir(), "place-")));
});
afterEach(() => rm(store.path, { recursive: true, force: true }));

test("a state with which no serve has run is told from one that is used", async () => {
  await expect(checkUsed(store, "cardwire revoke bob")).rejects.toMatchObject({
    code: "E_NO_SERVE",
    message: `no serve has run with ${store.path} yet`,
    hint: expect.stringMatching(/: sudo -u cardwire cardwire revoke bob$/),
  });
  const order = { name: "bob", secret: "a".repeat(64), readers: [], profile: "use" } as const;
  await store.change((now) => withInvitation(now, { ...order, expires: 1_000 }, 0));
  await checkUsed(store, "cardwire revoke bob");
  expect(await hasServed(store)).toBe(false);
  await rememberPlace(store, { port: 7816, addresses: [], organisation: false });
  expect(await hasServed(store)).toBe(true);
});
