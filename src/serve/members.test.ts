import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as X509 from "@peculiar/x509";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { readCertificates } from "../carriers/tls/certificate-files.ts";
import { keyPair, newKey, SIGNING } from "../carriers/tls/keys.ts";
import { Purpose } from "../carriers/tls/protocols.ts";
import { x509 } from "../carriers/tls/x509.ts";
import { joinAsMember, joinHost } from "../joined/join.ts";
import { JoinedWay } from "../joined/way.ts";
import { type RemoteService, remoteService } from "../services/remote/service.ts";
import { fakeReader, fakeService } from "../testing/index.ts";
import { grantedReaders } from "./granted.ts";
import { withoutIdentity, withPardon } from "./register.ts";
import { openServe, type Serve } from "./server.ts";
import { openStore } from "./store.ts";

const atr = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
const signal = AbortSignal.timeout(60_000);
const DAY_MS = 86_400_000;

interface Issued {
  readonly pem: string;
  readonly key: string;
  readonly own: X509.X509Certificate;
}

interface Order {
  readonly by?: Issued | undefined;
  readonly purpose?: string;
  readonly names?: X509.JsonGeneralNames;
  readonly days?: number;
}

/** A certificate as an organisation makes them. */
async function certificate(
  name: string,
  { by, purpose, names, days = 9 }: Order = {},
): Promise<Issued> {
  const lib = await x509();
  const key = await newKey();
  const { publicKey, privateKey } = await keyPair(key);
  const own = await lib.X509CertificateGenerator.create({
    subject: [{ CN: [name] }],
    issuer: by ? by.own.subjectName : [{ CN: [name] }],
    notBefore: new Date(Date.now() - 10 * DAY_MS),
    notAfter: new Date(Date.now() + days * DAY_MS),
    publicKey,
    signingKey: by ? (await keyPair(by.key)).privateKey : privateKey,
    signingAlgorithm: SIGNING,
    extensions: [
      new lib.BasicConstraintsExtension(purpose === undefined, undefined, true),
      ...(purpose === undefined ? [] : [new lib.ExtendedKeyUsageExtension([purpose])]),
      ...(names ? [new lib.SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { pem: `${own.toString("pem")}\n`, key, own };
}

let folder: string;
let serve: Serve;
let root: Issued;
let middle: Issued;
const ends: AsyncDisposable[] = [];
const service = fakeService([
  fakeReader("Yubi 00 00", { atr }),
  fakeReader("Other 00 00", { atr }),
]);

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

async function filesOf(name: string, { pem, key }: Issued, between = "") {
  return {
    ca: await file("ca", root.pem),
    cert: await file(`${name}.pem`, pem + between),
    key: await file(`${name}.key`, key),
  };
}

async function start(
  nameOf: "CN" | "SAN:email" = "CN",
  names = [{ type: "ip", value: "127.0.0.1" } as const],
) {
  const server = await certificate("cardhost", { by: root, purpose: Purpose.Server, names });
  const files = await filesOf("server", server);
  serve = await openServe({
    addresses: ["127.0.0.1"],
    port: 0,
    host: "cardhost",
    view: grantedReaders(service),
    most: { graceMs: 5_000, lockMs: 2_000 },
    about: () => "cardwire",
    path: join(folder, "serve"),
    organisation: {
      ...(await readCertificates(files, Purpose.Server)),
      nameOf,
      grant: { readers: ["Yubi*"], profile: "use" },
    },
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "members-"));
  root = await certificate("Root of the organisation");
  middle = await certificate("People of the organisation", { by: root });
});
afterEach(async () => {
  for (const one of ends.splice(0)) await one[Symbol.asyncDispose]();
  await serve[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const hosts = () => join(folder, "hosts");
const member = (name: string, more: Order = {}) =>
  certificate(name, { by: middle, purpose: Purpose.Client, ...more });

async function joined(name: string, issued: Issued) {
  const files = await filesOf(name, issued, middle.pem);
  const place = { host: "127.0.0.1", port: serve.port };
  return await joinAsMember(place, files, { name, path: hosts() }, { signal });
}

async function linked(host: string): Promise<RemoteService> {
  const way = new JoinedWay(host, hosts());
  ends.push(way);
  const patience = { graceMs: 5_000, lockMs: 2_000 };
  const options = { pipelining: true, prefetch: true, patience, about: "a test" };
  const remote = await remoteService(way, options, { signal });
  ends.unshift(remote);
  return remote;
}

const refused = (name: string, words: string | RegExp) =>
  expect(linked(name)).rejects.toMatchObject({
    code: "E_DENIED",
    message: expect.stringMatching(words),
  });

describe("a member of an organisation", () => {
  test("comes in by the name in his certificate, to what members may use", async () => {
    await start();
    const host = await joined("alice", await member("alice"));
    expect(host).toMatchObject({ identity: "alice", fingerprint: undefined });
    const remote = await linked("alice");
    expect(remote.readers.map(({ name }) => name)).toEqual(["Yubi 00 00"]);
    await remote.connect(
      "Yubi 00 00",
      { share: 2, protocols: 3, principal: { name: "x" } },
      { signal },
    );
  });

  test("may be known by his mail address", async () => {
    await start("SAN:email");
    const email = (value: string) => ({ type: "email", value }) as const;
    await joined("alice", await member("A", { names: [email("alice@example.org")] }));
    expect((await linked("alice")).state).toBe("up");
    await joined("two", await member("B", { names: [email("b@x"), email("c@x")] }));
    await refused("two", /has 2 names of the kind SAN:email/);
    await joined("none", await member("C"));
    await refused("none", /has 0 names/);
  });

  test("is shut out by name, at once, and let in again", async () => {
    await start();
    await joined("alice", await member("alice"));
    const remote = await linked("alice");
    const store = await openStore(join(folder, "serve"));
    await store.change((now) => withoutIdentity(now, "alice", Date.now(), { isMember: true }));
    await vi.waitFor(() => expect(remote.state).toBe("gone"), { timeout: 1_000 });
    await refused("alice", "the identity alice was revoked");
    await store.change((now) => withPardon(now, "alice"));
    await vi.waitFor(async () => expect((await linked("alice")).state).toBe("up"));
  });

  test("does not stay when his certificate ends", async () => {
    await start();
    await joined("alice", await member("alice", { days: 5_000 / DAY_MS }));
    const remote = await linked("alice");
    expect(remote.state).toBe("up");
    await vi.waitFor(() => expect(remote.state).not.toBe("up"), { timeout: 10_000 });
    await refused("alice", "expired");
  });

  test("does not come in with a server's certificate, an expired one, or another authority's", async () => {
    await start();
    const place = { host: "127.0.0.1", port: serve.port };
    const old = await filesOf("old", await member("alice", { days: -1 }), middle.pem);
    await expect(joinAsMember(place, old, { path: hosts() }, { signal })).rejects.toMatchObject({
      code: "E_CERTIFICATE",
    });
    const wrong = await filesOf("wrong", await member("alice", { purpose: Purpose.Server }));
    await expect(joinAsMember(place, wrong, { path: hosts() }, { signal })).rejects.toMatchObject({
      code: "E_CERTIFICATE",
    });
    const foreign = await certificate("alice", {
      by: await certificate("People of the organisation"),
      purpose: Purpose.Client,
    });
    await joined("foreign", foreign);
    await refused("foreign", /is not to be trusted/);
  });

  test("goes away from another computer of the organisation's", async () => {
    await start("CN", [{ type: "ip", value: "192.0.2.7" } as never]);
    await expect(joined("alice", await member("alice"))).rejects.toMatchObject({
      code: "E_PEER",
      message: expect.stringContaining("not for 127.0.0.1"),
    });
  });
});

test("nobody is given a certificate there", async () => {
  await start();
  const token = {
    addresses: ["127.0.0.1"],
    port: serve.port,
    fingerprint: new Uint8Array(32),
    secret: new Uint8Array(16),
  };
  expect(serve.fingerprint).toBeUndefined();
  await expect(joinHost(token, { path: hosts() }, { signal })).rejects.toMatchObject({
    code: "E_PEER",
  });
});
