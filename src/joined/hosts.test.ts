import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  makeRoom,
  isJoined,
  joinedNames,
  type JoinedHost,
  readHost,
  removeHost,
  replaceCertificate,
} from "./hosts.ts";
import { joinedName } from "./open.ts";

let path: string;
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), "hosts-")), "hosts");
});
afterEach(() => rm(join(path, ".."), { recursive: true, force: true }));

const host = (name: string, more: Partial<JoinedHost> = {}): JoinedHost => ({
  name,
  identity: "alice",
  addresses: ["cardhost", "192.0.2.7"],
  port: 7816,
  fingerprint: "ab".repeat(32),
  joined: "2026-11-28T12:00:00.000Z",
  credentials: { key: "KEY", certificate: "CERT" },
  authority: "CA",
  ...more,
});

async function addHost(one: JoinedHost, where: string): Promise<void> {
  await using room = await makeRoom(one.name, one.credentials.key, where);
  await room.settle(one);
}

describe("a host that was joined", () => {
  test("is read as it was written", async () => {
    await addHost(host("a"), path);
    expect(await readHost("a", path)).toEqual(host("a"));
    expect(await joinedNames(path)).toEqual(["a"]);
    expect(await isJoined("a", path)).toBe(true);
  });

  test("takes nobody's place", async () => {
    await addHost(host("a"), path);
    const other = addHost(host("a", { identity: "bob" }), path);
    await expect(other).rejects.toMatchObject({ code: "E_JOINED" });
    expect((await readHost("a", path)).identity).toBe("alice");
    expect(await readdir(path)).toEqual(["a"]);
  });

  test("takes nobody's place, also if both came at once", async () => {
    await using one = await makeRoom("a", "KEY", path);
    await using other = await makeRoom("a", "KEY", path);
    await one.settle(host("a"));
    await expect(other.settle(host("a", { identity: "bob" }))).rejects.toMatchObject({
      code: "E_JOINED",
    });
    expect((await readHost("a", path)).identity).toBe("alice");
  });

  test("that was not settled leaves nothing", async () => {
    {
      await using _room = await makeRoom("a", "KEY", path);
      expect(await joinedNames(path)).toEqual([]);
    }
    expect(await readdir(path)).toEqual([]);
  });

  test("is gone with its key", async () => {
    await addHost(host("a"), path);
    await removeHost("a", path);
    expect(await readdir(path)).toEqual([]);
    await expect(readHost("a", path)).rejects.toMatchObject({ code: "E_NOT_JOINED" });
    await expect(removeHost("a", path)).rejects.toMatchObject({ code: "E_NOT_JOINED" });
  });

  test("gets another certificate, if it is still there", async () => {
    await addHost(host("a"), path);
    await replaceCertificate("a", "NEXT", path);
    expect((await readHost("a", path)).credentials).toEqual({ key: "KEY", certificate: "NEXT" });
    await replaceCertificate("b", "NEXT", path);
    expect(await joinedNames(path)).toEqual(["a"]);
  });

  test("keeps nothing of what a killed process left of a file, or was making", async () => {
    await addHost(host("a"), path);
    await addHost(host("b"), path);
    await writeFile(join(path, "a/cert.pem.0123456789ab.new"), "half a");
    await replaceCertificate("a", "NEXT", path);
    const files = ["ca.pem", "cert.pem", "host.json", "key.pem"];
    expect((await readdir(join(path, "a"))).toSorted()).toEqual(files);
    await mkdir(join(path, ".aside-zzzzzz.1-abcdef"));
    await removeHost("b", path);
    expect(await readdir(path)).toEqual(["a"]);
  });

  test("is not read when others may read its key, or half of it is missing", async () => {
    await addHost(host("a"), path);
    await chmod(join(path, "a/key.pem"), 0o640);
    await expect(readHost("a", path)).rejects.toMatchObject({ code: "E_STATE" });
    await rm(join(path, "a/key.pem"));
    await expect(readHost("a", path)).rejects.toMatchObject({
      code: "E_STATE",
      hint: expect.stringContaining("cardwire leave a"),
    });
    await writeFile(join(path, "a/key.pem"), "KEY", { mode: 0o600 });
    await writeFile(join(path, "a/host.json"), "{}", { mode: 0o600 });
    await expect(readHost("a", path)).rejects.toMatchObject({ code: "E_STATE" });
  });

  test.each(["../a", ".", "..", "a/b", ".aside"])("is never called %j", async (name) => {
    await expect(addHost(host(name), path)).rejects.toMatchObject({ code: "E_NAME" });
    await expect(readHost(name, path)).rejects.toMatchObject({ code: "E_NAME" });
    await expect(removeHost(name, path)).rejects.toMatchObject({ code: "E_NAME" });
  });
});

describe("cardwire://", () => {
  const named = (where: string, port?: number) =>
    joinedName({ kind: "cardwire", host: where, ...(port !== undefined && { port }) }, path);

  test("names a host by its name, before the address of another, or by an address", async () => {
    await addHost(host("a", { addresses: ["b"] }), path);
    await addHost(host("b", { addresses: ["c"], port: 99 }), path);
    expect(await named("a")).toBe("a");
    expect(await named("b")).toBe("b");
    expect(await named("b", 7816)).toBe("a");
    expect(await named("c")).toBe("b");
    await expect(named("c", 1)).rejects.toMatchObject({
      code: "E_NOT_JOINED",
      message: "cardwire://c:1 was not joined from here",
    });
  });
});
