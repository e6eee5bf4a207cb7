import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import {
  certify,
  type Credentials,
  makeAuthority,
  makeRequest,
  makeServerCredentials,
  readRequest,
} from "./authority.ts";
import { fingerprintOf, readCertificate } from "./certificates.ts";
import { dialTls, type TlsPlace } from "./dial.ts";
import { newKey } from "./keys.ts";
import { type Arrival, listenTls, type TlsListener } from "./listen.ts";
import { Protocol } from "./protocols.ts";

let authority: Credentials;
let server: Credentials;
let alice: Credentials;
let foreign: Credentials;

const DAY_MS = 86_400_000;

async function clientOf(by: Credentials, name: string, now = Date.now()): Promise<Credentials> {
  const key = await newKey();
  const request = await readRequest(await makeRequest(key));
  if (!request) throw new Error("no request");
  return { key, certificate: await certify(by, request, name, { now }) };
}

beforeAll(async () => {
  authority = await makeAuthority("cardhost");
  server = await makeServerCredentials(authority, "cardhost");
  alice = await clientOf(authority, "alice");
  foreign = await makeAuthority("cardhost");
});

const withAuthority = ({ certificate, key }: Credentials) => ({
  key,
  certificate: certificate + authority.certificate,
  authorities: [authority.certificate],
});

let listener: TlsListener;
let arrivals: Arrival[];
const refused = vi.fn<(address: string, reason: string, cost: string) => void>();
const opened: (Socket | TLSSocket)[] = [];

async function listen(secrets: Credentials, waiting = { most: 8, mostEach: 8, limitMs: 1_000 }) {
  arrivals = [];
  listener = await listenTls({
    port: 0,
    addresses: ["127.0.0.1"],
    secrets: withAuthority(secrets),
    protocols: [Protocol.Link, Protocol.Join],
    arrived: (arrival) => void arrivals.push(arrival),
    refused,
    waiting,
  });
}

beforeEach(() => listen(server));
afterEach(async () => {
  for (const one of opened.splice(0)) one.destroy();
  await listener[Symbol.asyncDispose]();
  refused.mockClear();
});

const signal = AbortSignal.timeout(20_000);
const fingerprint = () => fingerprintOf(readCertificate(authority.certificate));
const place = (more: Partial<TlsPlace> = {}): TlsPlace => ({
  addresses: ["127.0.0.1"],
  port: listener.port,
  fingerprint: fingerprint(),
  authority: authority.certificate,
  ...more,
});

async function dial(more: Partial<TlsPlace> = {}, credentials: Credentials | undefined = alice) {
  const dialled = await dialTls(place(more), Protocol.Link, { credentials, signal });
  opened.push(dialled.stream);
  return dialled;
}

/** Without any of our own checks. */
function plain(options: ConnectionOptions): TLSSocket {
  const own = { host: "127.0.0.1", port: listener.port, rejectUnauthorized: false };
  const stream = connect({ ...own, ALPNProtocols: [Protocol.Link], ...options });
  stream.on("error", () => {});
  opened.push(stream);
  return stream;
}

/** `once` would reject with the error that comes first. */
const closed = (stream: Socket): Promise<void> =>
  new Promise((resolve) => stream.once("close", () => resolve()));

const arrival = async (): Promise<Arrival> =>
  await vi.waitFor(() => {
    const [first] = arrivals;
    if (!first) throw new Error("nobody came");
    return first;
  });

describe("a client", () => {
  test("and a server know each other, over TLS 1.3", async () => {
    const { stream } = await dial();
    expect(stream.getProtocol()).toBe("TLSv1.3");
    const { certificate, distrust, protocol, address } = await arrival();
    expect(certificate?.subject).toBe("CN=alice");
    expect(distrust).toBeUndefined();
    expect([protocol, address]).toEqual([Protocol.Link, "127.0.0.1"]);
  });

  test("that knows the fingerprint only learns the authority", async () => {
    const { authority: found } = await dial({ authority: undefined });
    expect(readCertificate(found).raw).toEqual(readCertificate(authority.certificate).raw);
  });

  test.each([true, false])(
    "goes away from another authority's server (known: %s)",
    async (known) => {
      await listener[Symbol.asyncDispose]();
      await listen(await makeServerCredentials(foreign, "cardhost"));
      const more = known ? {} : { authority: undefined };
      await expect(dial(more)).rejects.toMatchObject({ code: "E_PEER" });
    },
  );

  test("goes away from who has a client's certificate", async () => {
    await listener[Symbol.asyncDispose]();
    await listen(await clientOf(authority, "mallory"));
    await expect(dial()).rejects.toMatchObject({ code: "E_PEER" });
    await expect(dial({ authority: undefined })).rejects.toMatchObject({
      code: "E_PEER",
      message: expect.stringContaining("made for something else"),
    });
  });

  test("goes away from a server whose certificate expired", async () => {
    await listener[Symbol.asyncDispose]();
    await listen(await makeServerCredentials(authority, "cardhost", Date.now() - 366 * DAY_MS));
    await expect(dial()).rejects.toMatchObject({ code: "E_PEER" });
    await expect(dial({ authority: undefined })).rejects.toMatchObject({
      message: expect.stringContaining("expired"),
    });
  });

  test("finds the address at which the card host is", async () => {
    const addresses = ["127.0.0.9", "127.0.0.8", "127.0.0.1"];
    expect((await dial({ addresses })).address).toBe("127.0.0.1");
  });

  test("is told why there is none", async () => {
    await expect(dial({ addresses: ["127.0.0.9"] })).rejects.toMatchObject({
      code: "E_UNREACHABLE",
      message: `127.0.0.9:${listener.port}: nobody listens there`,
    });
  });

  test("can give up", async () => {
    const stop = AbortSignal.abort(new Error("enough"));
    const options = { credentials: alice, signal: stop };
    await expect(dialTls(place(), Protocol.Link, options)).rejects.toThrow("enough");
  });
});

describe("a server", () => {
  test("says of each certificate whether TLS trusts it", async () => {
    const now = Date.now();
    for (const [one, why] of [
      [await clientOf(foreign, "alice"), "UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_SIGNATURE_FAILURE"],
      [await clientOf(authority, "alice", now - 91 * DAY_MS), "CERT_HAS_EXPIRED"],
      [server, "INVALID_PURPOSE"],
    ] as const) {
      arrivals = [];
      plain({ cert: one.certificate, key: one.key });
      expect((await arrival()).distrust).toMatch(new RegExp(why));
    }
    arrivals = [];
    plain({});
    expect(await arrival()).toMatchObject({ certificate: undefined });
    expect((await arrival()).distrust).toBeDefined();
  });

  test("refuses TLS 1.2", async () => {
    const stream = plain({ maxVersion: "TLSv1.2", cert: alice.certificate, key: alice.key });
    await closed(stream);
    expect(arrivals).toEqual([]);
    expect(refused).toHaveBeenCalledWith(
      "127.0.0.1",
      expect.stringContaining("UNSUPPORTED"),
      "a handshake",
    );
  });

  test.each([{ ALPNProtocols: ["http/1.1"] }, { ALPNProtocols: [] }])(
    "refuses who wants something else (%j)",
    async (options) => {
      const stream = plain(options);
      await closed(stream);
      expect(arrivals).toEqual([]);
    },
  );

  test("does not resume sessions of TLS, which show no certificate", async () => {
    const first = plain({ cert: alice.certificate, key: alice.key });
    let session: Buffer | undefined;
    first.on("session", (one) => {
      session = one;
    });
    await arrival();
    first.write("x");
    const { stream } = await arrival();
    stream.write("y");
    await once(first, "data");
    arrivals = [];
    const second = plain({ ...(session && { session }) });
    await once(second, "secureConnect");
    expect(second.isSessionReused()).toBe(false);
  });

  test("shows another certificate from when it is renewed", async () => {
    const before = await dial();
    const next = await makeServerCredentials(authority, "other");
    listener.renew(withAuthority(next));
    const { stream } = await dial();
    expect(stream.getPeerCertificate().subject.CN).toBe("other");
    expect(before.stream.destroyed).toBe(false);
  });
});

describe("who has not shown who he is", () => {
  const tcp = () => {
    const stream = connectTcp(listener.port, "127.0.0.1");
    stream.on("error", () => {});
    opened.push(stream);
    return stream;
  };

  test("is sent away in time, also if he says something now and then", async () => {
    const silent = tcp();
    const slow = tcp();
    const dripping = setInterval(() => slow.write(Uint8Array.of(0x16)), 100);
    slow.once("close", () => clearInterval(dripping));
    const { stream } = await dial(); // has a handshake, and is not admitted
    await Promise.all([silent, slow, stream].map(closed));
    await vi.waitFor(() => expect(listener.waiting).toBe(0));
  });

  test("may stay once he was admitted", async () => {
    const { stream } = await dial();
    (await arrival()).admit();
    const silent = tcp();
    await closed(silent);
    expect(stream.destroyed).toBe(false);
  });

  test("is one of few", async () => {
    await listener[Symbol.asyncDispose]();
    await listen(server, { most: 8, mostEach: 3, limitMs: 20_000 });
    const many = Array.from({ length: 6 }, tcp);
    await vi.waitFor(() => expect(refused).toHaveBeenCalledTimes(3));
    expect(listener.waiting).toBe(3);
    for (const one of many) one.destroy();
    await vi.waitFor(() => expect(listener.waiting).toBe(0));
  });

  test("and sends garbage is refused", async () => {
    const stream = tcp();
    stream.write("GET / HTTP/1.1\r\n\r\n");
    await closed(stream);
    expect(refused).toHaveBeenCalledWith(
      "127.0.0.1",
      expect.stringMatching(/^no handshake/),
      "a handshake",
    );
  });
});

test("a port that is taken is told", async () => {
  const again = listenTls({
    port: listener.port,
    addresses: ["127.0.0.1"],
    secrets: withAuthority(server),
    protocols: [Protocol.Link],
    arrived: () => {},
    refused: () => {},
  });
  await expect(again).rejects.toMatchObject({ code: "E_PORT_IN_USE" });
});
