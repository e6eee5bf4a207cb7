import { X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import {
  certify,
  type Credentials,
  isPair,
  isRenewalDue,
  LIFETIME_MS,
  makeAuthority,
  makeRequest,
  makeServerCredentials,
  readRequest,
} from "./authority.ts";
import { newKey } from "./keys.ts";

const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

const empty = new Uint8Array();

let authority: Credentials;

beforeAll(async () => {
  authority = await makeAuthority("cardhost");
});

const forKey = async (key: string, name = "alice", now = Date.now()) => {
  const request = await readRequest(await makeRequest(key));
  if (!request) throw new Error("the request is refused");
  return await certify(authority, request, name, { now });
};

describe("the authority", () => {
  test("signs itself, for ten years, and may certify nobody who certifies others", () => {
    const certificate = new X509Certificate(authority.certificate);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.ca).toBe(true);
    const years = (Date.parse(certificate.validTo) - Date.now()) / (365.25 * 86_400_000);
    expect(years).toBeGreaterThan(9.9);
    expect(isPair(authority)).toBe(true);
  });

  test("certifies a server, and that is good for nothing else", async () => {
    const server = await makeServerCredentials(authority, "cardhost");
    const certificate = new X509Certificate(server.certificate);
    expect(certificate.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true);
    expect(certificate.keyUsage).toEqual([SERVER_AUTH]);
    expect(certificate.ca).toBe(false);
    expect(isPair(server)).toBe(true);
  });

  test("certifies a key of somebody's under the name that it was told", async () => {
    const key = await newKey();
    const pem = await forKey(key, "alice");
    const certificate = new X509Certificate(pem);
    expect(certificate.subject).toBe("CN=alice");
    expect(certificate.keyUsage).toEqual([CLIENT_AUTH]);
    expect(certificate.checkIssued(new X509Certificate(authority.certificate))).toBe(true);
    expect(isPair({ certificate: pem, key })).toBe(true);
    expect(isPair({ certificate: pem, key: await newKey() })).toBe(false);
  });

  test("takes a name as it is, whatever it would mean in a text", async () => {
    const pem = await forKey(await newKey(), "a, O=b+CN=c");
    expect(new X509Certificate(pem).toLegacyObject().subject).toEqual({ CN: "a, O=b+CN=c" });
  });

  test("never certifies for longer than it holds itself", async () => {
    const late = Date.now() + LIFETIME_MS.authority - 1_000;
    const { validTo } = new X509Certificate(await forKey(await newKey(), "alice", late));
    expect(validTo).toBe(new X509Certificate(authority.certificate).validTo);
  });
});

describe("a request", () => {
  test("is refused when it is garbage", async () => {
    expect(await readRequest(new Uint8Array())).toBeUndefined();
    expect(await readRequest(new Uint8Array(100).fill(0x30))).toBeUndefined();
  });

  test("is refused when its key did not sign it", async () => {
    const [mine, others] = await Promise.all(
      [await newKey(), await newKey()].map(async (key) => Buffer.from(await makeRequest(key))),
    );
    const [own, theirs] = await Promise.all([mine, others].map((one) => readRequest(one ?? empty)));
    const at = mine?.indexOf(own?.spki ?? "none") ?? -1;
    expect(at).toBeGreaterThan(0);
    mine?.set(theirs?.spki ?? empty, at);
    expect(await readRequest(mine ?? empty)).toBeUndefined();
  });
});

describe("renewal", () => {
  test("is due when less than a third of the time is left", async () => {
    const now = Date.now();
    const pem = await forKey(await newKey(), "alice", now);
    expect(isRenewalDue(pem, now + LIFETIME_MS.client * 0.66)).toBe(false);
    expect(isRenewalDue(pem, now + LIFETIME_MS.client * 0.67)).toBe(true);
  });
});
