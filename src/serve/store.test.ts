import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withInvitation } from "./register.ts";
import { openStore } from "./store.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "store-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const order = { name: "alice", readers: [], profile: "use", expires: Date.now() + 1_000 } as const;
const secretOf = (number: number) => number.toString(16).padStart(64, "0");

test("several who change it at once lose nothing", async () => {
  const numbers = Array.from({ length: 20 }, (_, index) => index);
  await Promise.all(
    numbers.map(async (number) => {
      const store = await openStore(join(folder, "serve"));
      const secret = secretOf(number);
      await store.change((register) => withInvitation(register, { ...order, secret }, Date.now()));
    }),
  );
  const { invitations } = await (await openStore(join(folder, "serve"))).read();
  expect(invitations.map(({ secret }) => secret).toSorted()).toEqual(numbers.map(secretOf));
  expect((await stat(join(folder, "serve/invitations.json"))).mode & 0o777).toBe(0o600);
});

test("what a killed process left of a file is removed, and nothing else", async () => {
  const { path } = await openStore(join(folder, "serve"));
  for (const name of ["ca.key", "ca.key.0123456789ab.new", "ca.key.new", "audit.log"])
    await writeFile(join(path, name), "half a", { mode: 0o600 });
  await openStore(path);
  expect((await readdir(path)).toSorted()).toEqual(["audit.log", "ca.key", "ca.key.new"]);
});

test("what is refused changes nothing", async () => {
  const store = await openStore(folder);
  const refused = store.change(() => {
    throw new Error("no");
  });
  await expect(refused).rejects.toThrow("no");
  expect(await store.read()).toEqual({ identities: [], invitations: [] });
});

test.each(["", "{", "[]", '{"version":2,"identities":[]}', '{"version":1,"identities":[{}]}'])(
  "a damaged file (%j) is not taken for an empty one",
  async (text) => {
    const store = await openStore(folder);
    await writeFile(join(folder, "identities.json"), text, { mode: 0o600 });
    await expect(store.read()).rejects.toMatchObject({ code: "E_STATE" });
  },
);
