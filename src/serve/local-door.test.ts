import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Arrival } from "../carriers/tls/listen.ts";
import type { Grant } from "../domain/identity.ts";
import type { Principal } from "../domain/principal.ts";
import { dial } from "../host/dial.ts";
import { type RemoteService, remoteService } from "../services/remote/service.ts";
import { fakeReader, fakeService } from "../testing/index.ts";
import { isLocal, Locals, localIdentity, withLocals, withoutLocal } from "./locals.ts";
import { withoutIdentity, withPardon } from "./register.ts";
import { openServe, type Serve } from "./server.ts";
import { openStore } from "./store.ts";

const PATIENCE = { graceMs: 5_000, lockMs: 2_000 };
const signal = AbortSignal.timeout(60_000);
const ME = `local:${userInfo().username}`;

let folder: string;
let serve: Serve;
const ends: AsyncDisposable[] = [];
let seen: [Principal, Grant][];

const start = async (state = "serve") =>
  await openServe({
    addresses: ["127.0.0.1"],
    port: 0,
    host: "cardhost",
    view: (principal, grant) => {
      seen.push([principal, grant]);
      return fakeService([fakeReader("Yubi 00 00")]);
    },
    most: PATIENCE,
    about: () => "cardwire",
    path: join(folder, state),
    local: { path: join(folder, "_serve"), group: undefined, profile: "look" },
  });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "local-"));
  seen = [];
  serve = await start();
});
afterEach(async () => {
  for (const one of ends.splice(0)) await one[Symbol.asyncDispose]();
  await serve[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** What is said first to who connects. */
async function said(): Promise<string> {
  const stream = await dial(join(folder, "_serve"), { signal });
  try {
    for await (const chunk of stream) return (chunk as Buffer).toString();
    return "";
  } finally {
    stream.destroy();
  }
}

async function linked(secret?: Uint8Array): Promise<RemoteService> {
  const open = async () => {
    const stream = await dial(join(folder, "_serve"), { signal });
    await new Promise((resolve) => stream.once("readable", resolve));
    stream.read(1);
    return stream;
  };
  const options = { pipelining: true, prefetch: true, patience: PATIENCE, about: "a test" };
  const remote = await remoteService({ name: "here", secret, open }, options, { signal });
  ends.unshift(remote);
  return remote;
}

const change = async (how: "revoke" | "pardon") => {
  const store = await openStore(join(folder, "serve"));
  await store.change((register) =>
    how === "pardon"
      ? withPardon(register, ME)
      : withoutIdentity(register, ME, Date.now(), { isMember: true }),
  );
};

test("the user of serve comes in as himself, and may do everything", async () => {
  expect((await stat(join(folder, "_serve"))).mode & 0o777).toBe(0o600);
  expect(await said()).toBe("+");
  // What an agent's client would present is of no account: the kernel says who it is.
  const remote = await linked(new Uint8Array(32).fill(7));
  expect(remote.readers.map(({ name }) => name)).toEqual(["Yubi 00 00"]);
  expect(seen).toEqual([[{ name: ME }, { readers: [], profile: "manage" }]]);
});

test("who is revoked loses his link, and is told why at the door; a pardon lets him in", async () => {
  const remote = await linked();
  const lost = remote.lost({ signal });
  await change("revoke");
  await lost;
  await expect.poll(said).toBe(`-the identity ${ME} was revoked\n`);
  await change("pardon");
  await expect.poll(said).toBe("+");
});

test("another serve has the door: this one goes on without", async () => {
  await using other = await start("other");
  expect(other.local).toMatchObject({ code: "E_SOCKET_IN_USE" });
  expect(other.port).toBeGreaterThan(0);
});

test("at the end the socket is gone", async () => {
  await serve[Symbol.asyncDispose]();
  await expect(stat(join(folder, "_serve"))).rejects.toMatchObject({ code: "ENOENT" });
  serve = await start();
});

describe("users of this computer", () => {
  const none = { identities: [], invitations: [] };
  const arrival = {} as Arrival;
  const guests = (name: string) => ({
    enrols: true,
    visitorOf: () => ({ name, fingerprint: "" }),
    admit: () => {
      throw new Error("nobody knows who that is");
    },
    grantOf: () => undefined,
  });

  test("have names that nobody can be invited by", async () => {
    expect(await localIdentity(0)).toBe("local:root");
    expect(await localIdentity(3_999_999)).toBe("local:#3999999");
    expect([isLocal("local:root"), isLocal("root")]).toEqual([true, false]);
    expect([withoutLocal("local:root"), withoutLocal("root")]).toEqual(["root", "root"]);
  });

  test("may do what serve was told, and root everything", async () => {
    const locals = new Locals("look");
    const both = withLocals(guests("alice"), locals);
    for (const uid of [0, 3_999_999]) await locals.enter(uid);
    expect(both.grantOf(none, "local:root")?.profile).toBe("manage");
    expect(both.grantOf(none, "local:#3999999")?.profile).toBe("look");
    expect(both.grantOf(none, "alice")).toBeUndefined();
    expect(() => both.admit(none, { name: "alice", fingerprint: "" }, 0)).toThrow("nobody knows");
  });

  test("are not those whose certificates say so", () => {
    const both = withLocals(guests("local:root"), new Locals("use"));
    expect(() => both.visitorOf(arrival)).toThrow("cannot be an identity's");
    expect(withLocals(guests("root"), new Locals("use")).visitorOf(arrival).name).toBe("root");
  });
});
