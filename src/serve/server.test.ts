import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { connect as connectTcp, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type Credentials,
  certify,
  makeAuthority,
  makeRequest,
  readRequest,
} from "../carriers/tls/authority.ts";
import { dialTls } from "../carriers/tls/dial.ts";
import { newKey } from "../carriers/tls/keys.ts";
import { Protocol } from "../carriers/tls/protocols.ts";
import { isHostAddress } from "../domain/host-address.ts";
import { type JoinedHost, makeRoom, readHost, removeHost } from "../joined/hosts.ts";
import { joinHost, renewCertificate } from "../joined/join.ts";
import { JoinedWay } from "../joined/way.ts";
import { prove } from "../link/proof.ts";
import { type Events, listen } from "../observe/events.ts";
import { type RemoteService, remoteService } from "../services/remote/service.ts";
import { fakeReader, fakeService } from "../testing/index.ts";
import { parseToken } from "../wire/join/token.ts";
import { encodeFrame, FrameDecoder, Reason, Type } from "../wire/link/frames.ts";
import { authorityFiles } from "./authority-files.ts";
import { grantedReaders } from "./granted.ts";
import { invite } from "./invite.ts";
import { ownAddresses, reachable } from "./place.ts";
import { withoutIdentity } from "./register.ts";
import { openServe, type Serve } from "./server.ts";
import { openStore, type Store } from "./store.ts";

const DAY_MS = 86_400_000;
const PATIENCE = { graceMs: 5_000, lockMs: 2_000 };
const atr = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const signal = AbortSignal.timeout(60_000);

let folder: string;
let store: Store;
let serve: Serve;
let service: ReturnType<typeof fakeService>;
let visitors: Events["cardwire:visitor"][];
const ends: AsyncDisposable[] = [];
const streams: Socket[] = [];
let listening: Disposable;

const stateOfServe = () => join(folder, "serve");
const hosts = () => join(folder, "hosts");

async function start(more: { readonly lifetimeMs?: number; readonly port?: number } = {}) {
  serve = await openServe({
    addresses: ["127.0.0.1"],
    port: 0,
    host: "cardhost",
    view: grantedReaders(service),
    most: PATIENCE,
    about: () => "cardwire",
    path: stateOfServe(),
    ...more,
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "serve-"));
  store = await openStore(stateOfServe());
  service = fakeService([fakeReader("Yubi 00 00", { atr }), fakeReader("Other 00 00", { atr })]);
  visitors = [];
  listening = listen("cardwire:visitor", (event) => visitors.push(event));
  await start();
});
afterEach(async () => {
  for (const one of streams.splice(0)) one.destroy();
  for (const one of ends.splice(0)) await one[Symbol.asyncDispose]();
  await serve[Symbol.asyncDispose]();
  listening[Symbol.dispose]();
  await rm(folder, { recursive: true, force: true });
});

const invited = async (name: string, more: Partial<Parameters<typeof invite>[2]> = {}) => {
  const address = { addresses: ["127.0.0.1"], port: serve.port };
  const rights = { readers: [], profile: "use" } as const;
  const options = { name, lifetimeMs: 60_000, ...address, ...rights, ...more };
  return parseToken((await invite(store, "cardhost", options)).token);
};

async function joined(name: string, more: Parameters<typeof invited>[1] = {}): Promise<JoinedHost> {
  return await joinHost(
    await invited(name, more),
    { name: `host-${name}`, path: hosts() },
    { signal },
  );
}

async function linked(host: string): Promise<RemoteService> {
  const way = new JoinedWay(host, hosts());
  ends.push(way);
  const options = { pipelining: true, prefetch: true, patience: PATIENCE, about: "a test" };
  const remote = await remoteService(way, options, { signal });
  ends.unshift(remote);
  return remote;
}

const names = ({ readers }: RemoteService) => readers.map(({ name }) => name);
const revoke = (name: string) =>
  store.change((register) => withoutIdentity(register, name, Date.now()));

async function dial(host: JoinedHost, protocol: Protocol, credentials: Credentials | undefined) {
  const { stream } = await dialTls(host, protocol, { credentials, signal });
  streams.push(stream);
  return stream;
}

/** What a link is answered that is opened with these; all of it if it is cut. */
async function answer(host: JoinedHost, credentials: Credentials | undefined, frame?: Uint8Array) {
  const stream = await dial(host, Protocol.Link, credentials);
  if (frame) stream.write(frame);
  const decoder = new FrameDecoder();
  for await (const chunk of stream) {
    decoder.push(chunk as Uint8Array);
    const found = decoder.next();
    if (found) return { ...found, tail: Buffer.from(found.tail).toString() };
  }
  return undefined;
}

const opening = (session: number, secret: number) =>
  encodeFrame(Type.Open, {
    lowest: 1,
    highest: 1,
    features: 0,
    ...PATIENCE,
    session: new Uint8Array(16).fill(session),
    secret: new Uint8Array(32).fill(secret),
  });

async function certificateBy(
  authority: Credentials,
  name: string,
  now: number,
): Promise<Credentials> {
  const key = await newKey();
  const request = await readRequest(await makeRequest(key));
  if (!request) throw new Error("no request");
  return { key, certificate: await certify(authority, request, name, { now }) };
}

describe("who was invited", () => {
  test("joins, and uses the readers", async () => {
    const { identity, name, credentials } = await joined("alice");
    expect([identity, name]).toEqual(["alice", "host-alice"]);
    const remote = await linked(name);
    expect(names(remote)).toEqual(["Yubi 00 00", "Other 00 00"]);
    const how = { share: 2, protocols: 3, principal: { name: "x" } };
    const { session } = await remote.connect("Yubi 00 00", how, { signal });
    await session.transmit(Uint8Array.of(0, 1, 2, 3), { send: 2, receive: 2 });
    await session.disconnect(0);
    const key = (await stat(join(hosts(), name, "key.pem"))).mode & 0o777;
    expect(key).toBe(0o600);
    // The private key went nowhere.
    for (const file of await readdir(stateOfServe()))
      expect(await readFile(join(stateOfServe(), file), "utf8")).not.toContain(
        credentials.key.slice(30, 90),
      );
  });

  test("sees the readers that were meant, and finds no others", async () => {
    const remote = await linked((await joined("alice", { readers: ["Yubi*"] })).name);
    expect(names(remote)).toEqual(["Yubi 00 00"]);
    const how = { share: 2, protocols: 3, principal: { name: "x" } };
    await expect(remote.connect("Other 00 00", how, { signal })).rejects.toMatchObject({
      code: "SCARD_E_UNKNOWN_READER",
    });
  });

  test("joins once only", async () => {
    const token = await invited("alice");
    await joinHost(token, { name: "one", path: hosts() }, { signal });
    await expect(joinHost(token, { name: "two", path: hosts() }, { signal })).rejects.toMatchObject(
      {
        code: "E_TOKEN",
        message: "the card host refuses: the token was used already",
      },
    );
    expect(await readdir(hosts())).toEqual(["one"]);
  });

  test("joins once only, also if several try at once", async () => {
    const token = await invited("alice");
    const tries = ["one", "two", "three", "four"].map((name) =>
      joinHost(token, { name, path: hosts() }, { signal }),
    );
    const results = await Promise.allSettled(tries);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect((await store.read()).identities[0]?.keys).toHaveLength(1);
  });

  test("comes too late", async () => {
    const token = await invited("alice", { lifetimeMs: -1 });
    await expect(joinHost(token, { path: hosts() }, { signal })).rejects.toMatchObject({
      code: "E_TOKEN",
      message: "the card host refuses: the token has expired",
    });
  });

  test("has another's token, or one that was guessed", async () => {
    const token = await invited("alice");
    const guessed = { ...token, secret: new Uint8Array(16) };
    await expect(joinHost(guessed, { path: hosts() }, { signal })).rejects.toMatchObject({
      code: "E_TOKEN",
    });
    const elsewhere = { ...token, fingerprint: new Uint8Array(32) };
    await expect(joinHost(elsewhere, { path: hosts() }, { signal })).rejects.toMatchObject({
      code: "E_PEER",
    });
    // The secret was not told to who is somebody else.
    await expect(
      joinHost(token, { name: "now", path: hosts() }, { signal }),
    ).resolves.toBeDefined();
  });

  test("has a name for the host already", async () => {
    await joined("alice");
    const token = await invited("alice");
    const options = { name: "host-alice", path: hosts() };
    await expect(joinHost(token, options, { signal })).rejects.toMatchObject({ code: "E_JOINED" });
    await expect(joinHost(token, { ...options, name: "b" }, { signal })).resolves.toBeDefined();
  });
});

describe("a link is refused", () => {
  const refusal = (words: string) => ({
    type: Type.Refused,
    body: { reason: Reason.Denied },
    tail: words,
  });

  test("without a certificate", async () => {
    const host = await joined("alice");
    expect(await answer(host, undefined)).toMatchObject(refusal("no certificate was shown"));
  });

  test("with a certificate of another authority", async () => {
    const host = await joined("alice");
    const foreign = await certificateBy(await makeAuthority("cardhost"), "alice", Date.now());
    expect(await answer(host, foreign)).toMatchObject(
      refusal("the certificate is from another authority"),
    );
  });

  test("with a certificate that expired", async () => {
    const host = await joined("alice");
    const { authority } = await authorityFiles(store, "cardhost");
    const old = await certificateBy(authority, "alice", Date.now() - 91 * DAY_MS);
    expect((await answer(host, old))?.tail).toMatch(/^the certificate expired on /);
  });

  test("with a certificate of ours for a key that nobody let in", async () => {
    const host = await joined("alice");
    const { authority } = await authorityFiles(store, "cardhost");
    const other = await certificateBy(authority, "alice", Date.now());
    expect(await answer(host, other)).toMatchObject(refusal("this key is not one of alice's here"));
  });

  test("with the server's own certificate", async () => {
    const host = await joined("alice");
    const { server } = await authorityFiles(store, "cardhost");
    expect(await answer(host, server)).toMatchObject(
      refusal("the certificate was made for something else"),
    );
  });

  test("to another identity that has the session's secret", async () => {
    const [alice, bob] = [await joined("alice"), await joined("bob")];
    expect((await answer(alice, alice.credentials, opening(7, 8)))?.type).toBe(Type.Opened);
    const claim = { session: new Uint8Array(16).fill(7), attempt: 1, received: 0 };
    const proof = prove(new Uint8Array(32).fill(8), { by: "client", ...claim });
    const resume = encodeFrame(Type.Resume, { ...claim, proof });
    expect(await answer(bob, bob.credentials, resume)).toMatchObject({
      type: Type.Refused,
      body: { reason: Reason.Unknown },
    });
  });

  test("and each refusal is told, without a secret", async () => {
    const host = await joined("alice");
    await answer(host, undefined);
    expect(visitors).toContainEqual({
      what: "refused",
      address: "127.0.0.1",
      reason: "no certificate was shown",
    });
  });
});

describe("who is revoked", () => {
  test("has no link within a second, and gets no other; the others stay", async () => {
    const [alice, bob] = [await joined("alice"), await joined("bob")];
    const [hers, his] = [await linked(alice.name), await linked(bob.name)];
    expect(serve.links).toBe(2);
    await revoke("alice");
    await vi.waitFor(() => expect(hers.state).toBe("gone"), { timeout: 1_000, interval: 10 });
    expect(his.state).toBe("up");
    expect(serve.links).toBe(1);
    await vi.waitFor(() => expect(hers.failure?.code).toBe("E_DENIED"), { timeout: 5_000 });
    expect(hers.failure?.message).toBe(
      "the card host refuses the link: the identity alice was revoked",
    );
    await expect(linked(alice.name)).rejects.toMatchObject({ code: "E_DENIED" });
    await expect(renewCertificate(alice, { signal })).rejects.toMatchObject({ code: "E_DENIED" });
  });

  test("comes back with another token", async () => {
    const { name } = await joined("alice");
    await revoke("alice");
    await removeHost(name, hosts());
    expect(names(await linked((await joined("alice")).name))).toHaveLength(2);
  });

  test("cannot use a token from before", async () => {
    await joined("alice");
    const token = await invited("alice");
    await revoke("alice");
    await vi.waitFor(
      async () =>
        await expect(
          joinHost(token, { name: "x", path: hosts() }, { signal }),
        ).rejects.toMatchObject({ code: "E_TOKEN" }),
    );
  });
});

describe("a certificate", () => {
  test("is renewed beside a link, for the same key", async () => {
    await serve[Symbol.asyncDispose]();
    await start({ lifetimeMs: 1_200_000 }); // with the hour before: two thirds have passed
    const { name, credentials } = await joined("alice");
    const remote = await linked(name);
    await vi.waitFor(async () => {
      const now = await readHost(name, hosts());
      expect(now.credentials.certificate).not.toBe(credentials.certificate);
      expect(now.credentials.key).toBe(credentials.key);
    });
    expect(remote.state).toBe("up");
    expect(remote.figures.resumptions).toBe(0);
    expect(visitors.map(({ what }) => what)).toContain("renewed");
  });

  test("is not renewed for another key", async () => {
    const host = await joined("alice");
    const stream = await dial(host, Protocol.Renew, host.credentials);
    const request = Buffer.from(await makeRequest(await newKey())).toString("base64");
    stream.write(`${JSON.stringify({ request })}\n`);
    const [reply] = (await once(stream, "data")) as [Buffer];
    expect(JSON.parse(reply.toString())).toEqual({
      code: "E_DENIED",
      message: "the request is for another key",
    });
  });

  test("that expired here is told before anything is dialled", async () => {
    const host = await joined("alice");
    await removeHost(host.name, hosts());
    const { authority } = await authorityFiles(store, "cardhost");
    const old = await certificateBy(authority, "alice", Date.now() - 91 * DAY_MS);
    await using room = await makeRoom(host.name, old.key, hosts());
    await room.settle({ ...host, credentials: old });
    await expect(linked(host.name)).rejects.toMatchObject({
      code: "E_DENIED",
      hint: expect.stringContaining("cardwire leave host-alice"),
    });
  });
});

describe("who says something else", () => {
  test.each([
    ["nothing of JSON", "hello\n"],
    ["another request", '{"hello":1}\n'],
    [
      "a request that is none",
      `${JSON.stringify({ secret: "A".repeat(22), request: "AAAA", on: "x" })}\n`,
    ],
    ["more than anybody needs", "x".repeat(100_000)],
  ])("to join is refused: %s", async (_what, text) => {
    const host = await joined("alice");
    const stream = await dial(host, Protocol.Join, undefined);
    stream.write(text);
    const [reply] = (await once(stream, "data")) as [Buffer];
    expect(JSON.parse(reply.toString())).toMatchObject({ code: "E_PROTOCOL" });
  });

  test("on a link loses it: a frame that is too long", async () => {
    const host = await joined("alice");
    const frame = Buffer.alloc(8, 0xff);
    expect(await answer(host, host.credentials, frame)).toBeUndefined();
  });
});

/** Between the two, to be cut. */
async function proxy(): Promise<{ readonly port: number; readonly server: Server; cut(): void }> {
  const pairs = new Set<Socket>();
  const server = createServer((near) => {
    const far = connectTcp(serve.port, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      pairs.add(one);
      one.on("error", () => {});
      one.on("data", (chunk) => other.write(chunk));
      one.on("close", () => other.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const cut = () => {
    for (const one of pairs) one.destroy();
    pairs.clear();
  };
  return { port, server, cut };
}

test("a line that breaks is resumed, and nobody notices", async () => {
  const line = await proxy();
  const { name } = await joined("alice", { port: line.port });
  const remote = await linked(name);
  const how = { share: 2, protocols: 3, principal: { name: "x" } };
  const { session } = await remote.connect("Yubi 00 00", how, { signal });
  for (let broken = 0; broken < 5; broken += 1) {
    line.cut();
    await session.begin({ signal });
    await session.transmit(Uint8Array.of(0, 1, 2, broken), { send: 2, receive: 2 });
    await session.end(0);
  }
  expect(remote.figures.resumptions).toBeGreaterThan(3);
  const sent = service.log.filter((one) => one.startsWith("transmit"));
  expect(sent).toEqual(
    ["0", "1", "2", "3", "4"].map((n) => expect.stringContaining(`0001020${n}`)),
  );
  line.cut();
  line.server.close();
});

test("what somebody may use changes: his links begin anew", async () => {
  const remote = await linked((await joined("alice")).name);
  await joinHost(
    await invited("alice", { readers: ["Other*"] }),
    { name: "b", path: hosts() },
    { signal },
  );
  await vi.waitFor(() => expect(names(remote)).toEqual(["Other 00 00"]), { timeout: 5_000 });
});

test("the card host ends: links are told, and come back to the next one", async () => {
  const remote = await linked((await joined("alice")).name);
  const { port } = serve;
  await serve[Symbol.asyncDispose]();
  await vi.waitFor(() => expect(remote.state).toBe("gone"));
  await start({ port });
  await vi.waitFor(() => expect(remote.state).toBe("up"), { timeout: 5_000 });
});

test("the same authority after a restart", async () => {
  const { fingerprint } = serve;
  await serve[Symbol.asyncDispose]();
  await start();
  expect(serve.fingerprint).toBe(fingerprint);
});

test("an authority that somebody knows is not made anew", async () => {
  await joined("alice");
  await serve[Symbol.asyncDispose]();
  await rm(join(stateOfServe(), "ca.crt"));
  await expect(start()).rejects.toMatchObject({ code: "E_STATE" });
  await rm(stateOfServe(), { recursive: true });
  await start();
});

test("an authority of a wrong clock is made anew when somebody is invited", async () => {
  await serve[Symbol.asyncDispose]();
  await rm(stateOfServe(), { recursive: true });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(1970, 0, 2) });
  await start();
  vi.useRealTimers();
  const before = serve.fingerprint;
  await invited("alice");
  await vi.waitFor(() => expect(serve.fingerprint).not.toBe(before), { timeout: 5_000 });
  const remote = await linked((await joined("alice")).name);
  expect(names(remote)).toEqual(["Yubi 00 00", "Other 00 00"]);
});

test("a token tells where serve listens, as others know it", () => {
  const own = ownAddresses();
  for (const all of [[], ["0.0.0.0"], ["192.0.2.7", "::"]]) expect(reachable(all)).toEqual(own);
  expect(reachable(["192.0.2.7", "fe80::1%eth0", "a b"])).toEqual(["192.0.2.7"]);
  expect(reachable(Array.from({ length: 9 }, (_, index) => `192.0.2.${index}`))).toHaveLength(8);
});

test("addresses that a token may tell", () => {
  const own = ownAddresses("cardhost", {
    lo: [{ address: "127.0.0.1", family: "IPv4", internal: true }],
    eth0: [
      { address: "fe80::1", family: "IPv6", internal: false },
      { address: "2001:db8::7", family: "IPv6", internal: false },
      { address: "192.0.2.7", family: "IPv4", internal: false },
    ],
  });
  expect(own).toEqual(["cardhost", "192.0.2.7", "2001:db8::7"]);
  expect(own.every(isHostAddress)).toBe(true);
});
