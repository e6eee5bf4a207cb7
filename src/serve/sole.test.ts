import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeOwnedDirectory } from "../host/owned-directory.ts";
import { rememberPlace } from "./place.ts";
import { aloneWith } from "./sole.ts";
import { openStore, type Store } from "./store.ts";

let folder: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sole-"));
  store = await openStore(join(folder, "serve"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const place = (control: string) => ({ port: 1, addresses: [], organisation: false, control });
const refused = (message: string | RegExp) =>
  expect.objectContaining({ code: "E_SERVE_RUNS", message: expect.stringMatching(message) });

test("one at a time, and the next when it has ended", async () => {
  const first = await aloneWith(store);
  await expect(aloneWith(store)).rejects.toEqual(refused(/^serve runs already, with/));
  await using _other = await aloneWith(await openStore(join(folder, "another")));
  await first[Symbol.asyncDispose]();
  await using _next = await aloneWith(store);
});

test("one that cannot be seen by its lock is known by its socket, and told by its number", async () => {
  const directory = await makeOwnedDirectory(folder, "serve");
  const control = join(directory, "control");
  const server = createServer((socket) => socket.destroy()).listen(control);
  await once(server, "listening");
  await rememberPlace(store, place(control));
  await expect(aloneWith(store)).rejects.toEqual(refused(`\\(process ${process.pid}\\)`));
  server.close();
  await once(server, "close");
  await using _next = await aloneWith(store);
});

test("what a killed one left is taken over", async () => {
  await rememberPlace(store, place(join(folder, "serve-1.1-abcdef/control")));
  await using _next = await aloneWith(store);
});
