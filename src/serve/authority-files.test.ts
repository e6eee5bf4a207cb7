import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { authorityFiles, holds } from "./authority-files.ts";
import { withGuest, withInvitation } from "./register.ts";
import { openStore, type Store } from "./store.ts";

const NOW = Date.UTC(2026, 10, 28, 12);
const HOUR = 3_600_000;
const secret = "a".repeat(64);

let store: Store;
beforeEach(async () => {
  store = await openStore(await mkdtemp(join(tmpdir(), "authority-")));
});
afterEach(() => rm(store.path, { recursive: true, force: true }));

const invite = (at: number) =>
  store.change((now) =>
    withInvitation(now, { name: "a", secret, readers: [], profile: "use", expires: at + HOUR }, at),
  );
const takePart = (at: number) =>
  store.change((now) =>
    withGuest(now, secret, { fingerprint: secret, on: "pc", expires: at + HOUR }, at),
  );

test.each([
  ["1970", Date.UTC(1970, 0, 2)],
  ["2036", Date.UTC(2036, 0, 2)],
])("one of a clock that showed %s is made anew while nobody knows it", async (_, wrong) => {
  const first = await authorityFiles(store, "pi", wrong);
  const second = await authorityFiles(store, "pi", NOW);
  expect(second.fingerprint).not.toBe(first.fingerprint);
  expect(holds(second.authority, NOW)).toBe(true);
  expect(await authorityFiles(store, "pi", NOW)).toEqual(second);
});

test("a token that is over tells nobody of it; one that was used does", async () => {
  const wrong = Date.UTC(1970, 0, 2);
  const first = await authorityFiles(store, "pi", wrong);
  await invite(wrong);
  const second = await authorityFiles(store, "pi", NOW);
  expect(second.fingerprint).not.toBe(first.fingerprint);
  await takePart(wrong);
  await expect(authorityFiles(store, "pi", wrong)).rejects.toMatchObject({
    code: "E_STATE",
    message: `the authority in ${store.path} holds only from 2026-11-28`,
    hint: expect.stringContaining("clock shows 1970-01-02") as string,
  });
  await expect(authorityFiles(store, "pi", Date.UTC(2037, 0))).rejects.toMatchObject({
    code: "E_STATE",
    message: `the authority in ${store.path} expired on 2036-11-27`,
    hint: expect.stringMatching(/mv .*\.old; everybody has to be invited again/) as string,
  });
});
