import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LiveRegister } from "./live-register.ts";
import { withInvitation } from "./register.ts";
import { openStore, type Store } from "./store.ts";

let folder: string;
let store: Store;
let live: LiveRegister;
const problem = vi.fn<(error: unknown) => void>();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "live-"));
  store = await openStore(folder);
  live = await LiveRegister.open(store, problem);
});
afterEach(async () => {
  await live[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
  problem.mockClear();
});

const order = { readers: [], profile: "use", expires: Date.now() + 60_000 } as const;
const inviting = (name: string) => (register: LiveRegister["value"]) =>
  withInvitation(register, { ...order, name, secret: "0".repeat(64) }, Date.now());
const invited = () => live.value.invitations.map(({ name }) => name);

test("what another process changes shows within a second", async () => {
  await store.change(inviting("alice"));
  await vi.waitFor(() => expect(invited()).toEqual(["alice"]), { timeout: 1_000 });
});

test("what it changes itself holds at once", async () => {
  await Promise.all([live.change(inviting("alice")), live.change(inviting("bob"))]);
  expect(invited()).toEqual(["alice", "bob"]);
  expect(await live.latest()).toEqual(await store.read());
});

test("each change is told once", async () => {
  const stop = new AbortController();
  const seen: number[] = [];
  const following = (async () => {
    for await (const { invitations } of live.follow({ signal: stop.signal }))
      seen.push(invitations.length);
  })();
  await store.change(inviting("alice"));
  await vi.waitFor(() => expect(seen).toEqual([0, 1]), { timeout: 1_000 });
  await live.latest();
  stop.abort();
  await following;
  expect(seen).toEqual([0, 1]);
});

test("damaged files change nothing, and are told", async () => {
  await live.change(inviting("alice"));
  await writeFile(join(folder, "invitations.json"), "{", { mode: 0o600 });
  await vi.waitFor(() => expect(problem).toHaveBeenCalled(), { timeout: 1_000 });
  expect(problem.mock.calls[0]?.[0]).toMatchObject({ code: "E_STATE" });
  expect(invited()).toEqual(["alice"]);
});
