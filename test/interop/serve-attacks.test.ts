import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type Credentials,
  certify,
  makeAuthority,
  makeRequest,
  readRequest,
} from "../../src/carriers/tls/authority.ts";
import { dialTls } from "../../src/carriers/tls/dial.ts";
import { newKey } from "../../src/carriers/tls/keys.ts";
import { Protocol } from "../../src/carriers/tls/protocols.ts";
import { Rv } from "../../src/domain/return-codes.ts";
import type { JoinedHost } from "../../src/joined/hosts.ts";
import { joinHost } from "../../src/joined/join.ts";
import { parseToken } from "../../src/wire/join/token.ts";
import { encodeFrame, type Frame, Reason, Type } from "../../src/wire/link/frames.ts";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { publicDirectory, until } from "../lab/processes.ts";
import { type Program, type ProgramOptions, run, start } from "../lab/programs.ts";
import { cardwire, MAIN, PATIENCE_MS } from "./programs/cardwire.ts";
import { SECRET } from "./programs/obedient-card.ts";
import { dialRaw, type RawLink, type SessionId } from "./programs/raw-link.ts";

// mallory may use a card, but not its signature key; bob uses the same card beside him, and must notice nothing. The serve
// is a running one, with a real pcscd and a card that refuses nothing. Each attack is made from outside, does not
// succeed, and is on the record.

const [READER] = readerNames;
const LOOPBACK = "127.0.0.1";
const PORT = 7816;
const DAY_MS = 86_400_000;
const RULES = `
[[serve.rule]]
comment = "not for mallory"
verdict = "deny"
identities = "mallory"
aid = "A000000308*"
ins = "87"
`;
const SHARED = { share: 2, protocols: 3, reader: READER } as const;
const CARD = 1;

type Line = Readonly<Record<string, unknown>>;

let folder: string;
let pcscd: Pcscd;
let serve: Program;
let asAlice: ProgramOptions;
let mallory: JoinedHost;
let bob: JoinedHost;
/** bob's, which is there all the time. */
let his: RawLink;
/** How long the record was before the attack. */
let before = 0;

const recorded = async (): Promise<readonly Line[]> => {
  const text = await readFile(join(folder, "state/cardwire/serve/audit.log"), "utf8");
  const lines = text.split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Line);
};

/** What the attack left on the record, as soon as something like this is there. */
const onRecord = async (wanted: Line, count = 1): Promise<readonly Line[]> => {
  const isMeant = (line: Line) =>
    Object.entries(wanted).every(([name, value]) => line[name] === value);
  let lines: readonly Line[] = [];
  await until(`${JSON.stringify(wanted)} on the record`, async () => {
    lines = (await recorded()).slice(before);
    return lines.filter(isMeant).length >= count;
  }).catch((cause: unknown) => {
    throw new Error(`the record has\n${lines.map((line) => JSON.stringify(line)).join("\n")}`, {
      cause,
    });
  });
  return lines.filter(isMeant);
};

const invited = async (name: string, ...flags: readonly string[]) => {
  const done = await cardwire(["invite", name, "--address", LOOPBACK, ...flags], asAlice);
  return parseToken(done.stdout.trim());
};

async function joined(name: string, ...flags: readonly string[]): Promise<JoinedHost> {
  const options = { name, path: join(folder, "hosts") };
  return await joinHost(await invited(name, ...flags), options, within());
}

const within = () => ({ signal: AbortSignal.timeout(20_000) });

/** A link that is open. */
async function opened(host: JoinedHost): Promise<RawLink> {
  const link = await dialRaw(host);
  expect(await link.open()).toMatchObject({ type: Type.Opened });
  return link;
}

/** The same, with a handle on the card. */
async function connected(host: JoinedHost): Promise<RawLink> {
  const link = await opened(host);
  expect(await link.call(Type.Connect, { card: CARD, ...SHARED })).toMatchObject({ rv: 0 });
  return link;
}

const pci = { sendProtocol: 2, receiveProtocol: 2 };
async function answerTo(link: RawLink, command: string, card = CARD): Promise<string> {
  const apdu = Buffer.from(command.replaceAll(" ", ""), "hex");
  const { rv, data } = await link.call(Type.Transmit, { card, ...pci }, apdu);
  return rv === 0 ? Buffer.from(data).toString("hex") : `rv ${rv.toString(16)}`;
}

const refusal = (reason: number) => ({ type: Type.Refused, body: { reason } });
const log = () => pcscd.cards[0].log();

beforeAll(async () => {
  folder = await publicDirectory("attacks");
  const module = fileURLToPath(new URL("programs/obedient-card.ts", import.meta.url));
  pcscd = await startPcscd({ cards: [{ module }] });
  for (const part of ["state", "config/cardwire"])
    await run("install", ["-d", "-o", "alice", "-m", "0700", join(folder, part)]);
  await run("chown", ["alice", join(folder, "config")]);
  await writeFile(join(folder, "config/cardwire/config.toml"), RULES, { mode: 0o644 });
  const env = {
    XDG_STATE_HOME: join(folder, "state"),
    XDG_CONFIG_HOME: join(folder, "config"),
    PCSCLITE_CSOCK_NAME: pcscd.socketPath,
  };
  asAlice = { user: "alice", env };
  const limits = ["--link-limit", "8", "--handle-limit", "64", "--rate-limit", "100"];
  serve = start("node", [MAIN, "serve", "-v", "--address", LOOPBACK, ...limits], asAlice);
  await serve.waitForLine(/^Ctrl-C ends it/, { timeoutMs: PATIENCE_MS });
  mallory = await joined("mallory", "--profile", "use");
  bob = await joined("bob", "--profile", "manage");
  his = await connected(bob);
}, 120_000);
afterAll(async () => {
  his?.[Symbol.dispose]();
  serve?.kill("SIGINT");
  // Also what was queued without end is given up.
  await serve?.exited;
  await pcscd?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  before = (await recorded()).length;
});
// Whatever mallory did: bob's link is the same one, and works.
afterEach(async () => {
  // It may have been reset.
  let told = await answerTo(his, "00cb3fff 00");
  if (told === `rv ${Rv.ResetCard.toString(16)}`) {
    await his.call(Type.Reconnect, { card: CARD, ...SHARED, initialization: 0 });
    told = await answerTo(his, "00cb3fff 00");
  }
  if (told !== "9000") throw new Error(`bob's command was answered ${told}`);
});

describe("who may not come in", () => {
  const refused = (reason: string): Line => ({ event: "refused", address: LOOPBACK, reason });

  test("has no certificate", async () => {
    using link = await dialRaw({ ...mallory, credentials: undefined as never });
    expect(await link.open()).toMatchObject(refusal(Reason.Denied));
    await onRecord(refused("no certificate was shown"));
  });

  test("has a certificate of another authority's, in bob's name", async () => {
    const authority = await makeAuthority("computer1");
    using link = await dialRaw(mallory, {
      credentials: await certified(authority, await newKey()),
    });
    expect(await link.open()).toMatchObject(refusal(Reason.Denied));
    await onRecord(refused("the certificate is from another authority"));
  });

  test("has a certificate of this one's for a key that nobody let in", async () => {
    using link = await dialRaw(mallory, {
      credentials: await certified(await own(), await newKey()),
    });
    expect(await link.open()).toMatchObject(refusal(Reason.Denied));
    await onRecord(refused("this key is not one of bob's here"));
  });

  test("has a certificate that expired", async () => {
    const { key } = mallory.credentials;
    const old = await certified(await own(), key, Date.now() - 91 * DAY_MS);
    using link = await dialRaw(mallory, { credentials: old });
    const answer = await link.open();
    expect(answer).toMatchObject(refusal(Reason.Denied));
    await onRecord(refused(Buffer.from(answer.tail).toString()));
    expect(Buffer.from(answer.tail).toString()).toMatch(/^the certificate expired on /);
  });

  test("was revoked: at once, and for ever", async () => {
    const dave = await joined("dave");
    using link = await opened(dave);
    await cardwire(["revoke", "dave"], asAlice);
    await until("the end of the link", () => link.isOver, 1_000);
    using again = await dialRaw(dave);
    expect(await again.open()).toMatchObject(refusal(Reason.Denied));
    await onRecord({ event: "dismissed", identity: "dave" });
    await onRecord(refused("the identity dave was revoked"));
  });

  test("has a token that was used, or guesses one", async () => {
    const token = await invited("erin");
    await joinHost(token, { name: "erin", path: join(folder, "hosts") }, within());
    const guessed = { ...token, secret: new Uint8Array(16) };
    for (const one of [token, guessed]) {
      const again = joinHost(one, { name: "again", path: join(folder, "hosts") }, within());
      await expect(again).rejects.toMatchObject({ code: "E_TOKEN" });
    }
    await onRecord(refused("the token was used already"));
    await onRecord(refused("there is no such invitation, or it was withdrawn"));
  });

  test("speaks an older TLS", async () => {
    const options = { host: LOOPBACK, port: PORT, rejectUnauthorized: false };
    const { key, certificate: cert } = mallory.credentials;
    const alpn = [Protocol.Link];
    const stream = connectTls({
      ...options,
      key,
      cert,
      ALPNProtocols: alpn,
      minVersion: "TLSv1",
      maxVersion: "TLSv1.2",
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    const failure = once(stream, "secureConnect").then(
      () => "it was let in",
      (error: Error) => error.message,
    );
    expect(await failure).toContain("alert protocol version");
    await onRecord(refused("no handshake: ERR_SSL_UNSUPPORTED_PROTOCOL"));
  });

  test("says nothing, before or after the handshake", { timeout: 40_000 }, async () => {
    const silent = connectTcp(PORT, LOOPBACK);
    using link = await dialRaw(mallory);
    await Promise.all([once(silent, "close"), link.ended]);
    await onRecord({ ...refused("it says nothing"), identity: "mallory" });
    await onRecord(refused("it takes too long"));
  });
});

describe("a session that is another's", () => {
  const refused = (reason: string): Line => ({ event: "refused", identity: "mallory", reason });

  test("is not resumed without its secret", async () => {
    using first = await opened(mallory);
    const wrong = new Uint8Array(32);
    using second = await dialRaw(mallory);
    expect(await second.resume(first, 1, wrong)).toMatchObject(refusal(Reason.Proof));
    await onRecord(refused("the session's secret is another"));
    expect(first.isOver).toBe(false);
  });

  test("is not resumed by another identity, although that has its secret", async () => {
    using link = await dialRaw(mallory);
    expect(await link.resume(his, 1)).toMatchObject(refusal(Reason.Unknown));
    await onRecord(refused("the session is that of bob"));
  });

  test("is not resumed by what was said before", async () => {
    using first = await opened(mallory);
    using second = await dialRaw(mallory);
    expect(await second.resume(first, 7)).toMatchObject({ type: Type.Resumed });
    using third = await dialRaw(mallory);
    expect(await third.resume(first, 7)).toMatchObject(refusal(Reason.Proof));
    await onRecord(refused("the session's secret is another"));
    expect(second.isOver).toBe(false);
  });

  test("nor opened once more under its number", async () => {
    const id: SessionId = { session: his.session, secret: new Uint8Array(32) };
    using link = await dialRaw(mallory, { id });
    expect(await link.open()).toMatchObject(refusal(Reason.Proof));
    await onRecord(refused("the session's secret is another"));
  });

  test("its handles are not there under their numbers", async () => {
    const apdu = Buffer.from("00cb3fff00", "hex");
    const reached = (await log()).length;
    for (const abuse of [
      (link: RawLink) => link.tell(Type.Transmit, { card: CARD, ...pci }, apdu),
      (link: RawLink) => link.tell(Type.End, { card: CARD, disposition: 1 }),
      (link: RawLink) => link.tell(Type.Disconnect, { card: CARD, disposition: 1 }),
      (link: RawLink) => link.tell(Type.Abandon, { card: CARD }),
    ]) {
      using link = await opened(mallory);
      abuse(link);
      await link.ended;
    }
    expect((await log()).slice(reached)).toEqual([]);
    await onRecord(refused(`there is no handle ${CARD}`), 4);
  });

  test("what waits in it is not cancelled", async () => {
    using hers = await connected(bob);
    await begins(his);
    const waiting = hers.tell(Type.Begin, { card: CARD });
    using link = await opened(mallory);
    link.send(Type.Cancel, { card: CARD, call: 0, flags: 0 });
    await link.ended;
    await onRecord(refused(`there is no handle ${CARD}`));
    expect(hers.resultOf(waiting)).toBeUndefined();
    await his.call(Type.End, { card: CARD, disposition: 0 });
    expect(await until("its turn", () => hers.resultOf(waiting))).toMatchObject({ rv: 0 });
    await hers.call(Type.End, { card: CARD, disposition: 0 });
  });

  test("nor is its lease given up, or renewed", async () => {
    his.send(Type.Lease, { lease: 1, flags: 0, forMs: 60_000, reader: READER });
    await his.answer(Type.Leased);
    for (const abuse of [
      (link: RawLink) => link.send(Type.Release, { lease: 1 }),
      (link: RawLink) => link.send(Type.Renew, { lease: 1, forMs: 1 }),
    ]) {
      using link = await opened(mallory);
      abuse(link);
      await link.ended;
    }
    await onRecord(refused("there is no lease 1"), 2);
    using link = await opened(mallory);
    link.send(Type.Lease, { lease: 1, flags: 0, forMs: 60_000, reader: READER });
    await link.answer(Type.LeaseOver);
    await onRecord({ event: "refused", what: "lease", identity: "mallory", reader: READER });
    his.send(Type.Release, { lease: 1 });
    await his.answer(Type.LeaseOver);
    await onRecord({ event: "lease-ended", identity: "bob", why: "released" });
  });
});

async function begins(link: RawLink): Promise<void> {
  const begun = await link.call(Type.Begin, { card: CARD });
  if (begun.rv === 0) return;
  await link.call(Type.Reconnect, { card: CARD, ...SHARED, initialization: 0 });
  expect(await link.call(Type.Begin, { card: CARD })).toMatchObject({ rv: 0 });
}

describe("the signature key is not reached", () => {
  const PIV = "00a4040005a000000308";
  const SIGN = "87119a027c00";
  const denied = "6985";

  test.each([
    ["plainly", ["00a4040005a000000308", `00${SIGN}`]],
    ["by a part of the application's name", ["00a4040001a0", `00${SIGN}`]],
    ["by no name at all", ["00a40400", `00${SIGN}`]],
    ["by the next application of such a name", [PIV, "00a4040205a000000308", `00${SIGN}`]],
    ["on another channel", [PIV, "0070000001", "01a4040005a000000308", `01${SIGN}`]],
    ["on a channel that was opened from another", [PIV, "0070000001", `01${SIGN}`]],
    ["on a channel of the other kind", [PIV, `40${SIGN}`]],
    ["in parts", [PIV, "1087119a017c", "0087119a0100"]],
    ["begun as something harmless", [PIV, "10cb3fff015c", `00${SIGN}`]],
    ["in extended length", [PIV, "0087119a0000027c00", "0087119a0000027c000000"]],
    ["after a path was selected", [PIV, "00a4080c0450155031", `00${SIGN}`]],
    ["after a file was selected", [PIV, "00a4000c023f00", `00${SIGN}`]],
    ["in another class", [PIV, `80${SIGN}`, `0c${SIGN}`, `f0${SIGN}`]],
    ["inside another command", [PIV, `00c2000007 00${SIGN}`]],
    ["with a length that lies", [PIV, "0087119a097c00", "0087119a017c00"]],
  ] as const)("%s", async (_how, commands) => {
    using link = await connected(mallory);
    const reached = (await log()).length;
    const answers: string[] = [];
    for (const command of commands) answers.push(await answerTo(link, command));
    expect(answers.at(-1)).toBe(denied);
    const signed = (await log()).slice(reached).filter((one) => /^..(87|c2)/.test(one));
    expect(signed).toEqual([]);
    const lines = await onRecord({ event: "refused", identity: "mallory", call: "SCardTransmit" });
    expect(lines.at(-1)).toMatchObject({ reader: READER, why: expect.stringMatching(/./) });
  });

  test("by GET RESPONSE to what bob's command was answered with", async () => {
    using link = await connected(mallory);
    await answerTo(link, PIV);
    await begins(his);
    await answerTo(his, PIV);
    expect(await answerTo(his, `00${SIGN}`)).toBe("6103");
    await his.call(Type.End, { card: CARD, disposition: 0 });
    const reached = (await log()).length;
    // Told of the reset that came between, and after it.
    for (const command of ["00c0000003", "01c0000003", "10c0000003"])
      expect(await answerTo(link, command)).not.toContain(SECRET);
    await link.call(Type.Reconnect, { card: CARD, ...SHARED, initialization: 0 });
    for (const command of ["00c0000003", "01c0000003", "10c0000003"])
      expect(await answerTo(link, command)).toBe(denied);
    expect((await log()).slice(reached)).toEqual([]);
    await onRecord({ event: "refused", identity: "mallory", call: "SCardTransmit" });
  });

  test("by what its reader's driver understands", async () => {
    using link = await connected(mallory);
    const { rv } = await link.call(
      Type.Control,
      { card: CARD, code: 0x42000001 },
      Buffer.from(SIGN, "hex"),
    );
    expect(rv).toBe(Rv.SecurityViolation);
    await onRecord({ event: "refused", identity: "mallory", call: "SCardControl" });
  });
});

describe("what is no link's", () => {
  const MALFORMED: readonly (readonly [what: string, bytes: Uint8Array, reason: string])[] = [
    [
      "a frame of a gibibyte",
      header(1 << 30, Type.Transmit),
      "Transmit cannot have 1073741824 bytes",
    ],
    ["a frame that is too short", header(3, Type.Transmit), "Transmit cannot have 3 bytes"],
    ["a frame that there is not", header(0, 0xffff_ffff), "there is no frame 0xffffffff in a link"],
    [
      "what only a server says",
      encodeFrame(Type.Notice, { card: 1, rv: 0 }),
      "Notice is not for a server",
    ],
    ["what begins a link, once more", encodeFrame(Type.Acknowledge, { received: 2 ** 50 }), ""],
  ];

  test.each(MALFORMED)("ends it: %s", async (_what, bytes, reason) => {
    using link = await opened(mallory);
    link.write(bytes);
    await link.ended;
    const lines = await onRecord({ event: "refused", identity: "mallory", address: LOOPBACK });
    expect(lines.at(-1)?.["reason"]).toContain(reason);
  });

  test.each(MALFORMED.slice(0, 3))("opens none: %s", async (_what, bytes, reason) => {
    using link = await dialRaw(mallory);
    link.write(bytes);
    await link.ended;
    await onRecord({ event: "refused", identity: "mallory", reason });
  });

  test("joins nobody: more than anybody needs", async () => {
    const { stream } = await dialTls(mallory, Protocol.Join, within());
    stream.on("error", () => {});
    stream.resume();
    stream.write("x".repeat(1_000_000));
    await once(stream, "close");
    await onRecord({ event: "refused", address: LOOPBACK });
  });
});

test("who reads nothing of what he is answered is cut off", { timeout: 60_000 }, async () => {
  const link = await opened(await joined("victor", "--profile", "manage"));
  await handles(link, 6);
  link.pause();
  floods(link, [45, 6], Buffer.from("80e4fde8000000", "hex"));
  const reason = "the other end does not read";
  await onRecord({ event: "refused", identity: "victor", reason });
  link[Symbol.dispose]();
});

describe("who wants everything", () => {
  test("connects without end: others come in, and the record stays short", async () => {
    const sockets = Array.from({ length: 300 }, () => connectTcp(PORT, LOOPBACK));
    let refused = 0;
    for (const one of sockets) {
      one.on("error", () => {});
      one.once("close", () => (refused += 1));
    }
    await until("all but those who may wait to be sent away", () => refused >= 268);
    for (const one of sockets) one.destroy();
    await until("room", async () => {
      using link = await dialRaw(bob);
      return (await link.open()).type === Type.Opened;
    });
    // Five are told one by one, and after ten seconds how many more there were.
    const reason = "too many connections from there";
    const lines = await onRecord({ event: "refused", address: LOOPBACK, reason }, 6);
    expect(lines).toHaveLength(6);
    expect(lines.at(-1)).toMatchObject({ times: expect.any(Number) });
    expect(lines.at(-1)?.["times"]).toBeGreaterThan(100);
    const hungUp = { event: "refused", address: LOOPBACK, reason: "no handshake: it hung up" };
    expect((await onRecord(hungUp)).length).toBeLessThanOrEqual(6);
  }, 60_000);

  test("opens links without end: each may have a few", async () => {
    const links: RawLink[] = [];
    const answers: Frame[] = [];
    for (let n = 0; n < 20; n += 1) {
      const link = await dialRaw(mallory);
      links.push(link);
      answers.push(await link.open());
    }
    for (const link of links) link[Symbol.dispose]();
    expect(answers.filter(({ type }) => type === Type.Opened).length).toBeLessThanOrEqual(8);
    await onRecord({ event: "limit", identity: "mallory", what: "links", most: 8 });
    await onRecord({
      event: "refused",
      identity: "mallory",
      reason: "mallory has 8 links already",
    });
  });
});

describe("who may do everything, and wants all of it at once", () => {
  let link: RawLink;
  /** Another one each time: a limit that is reached is no news for a while. */
  let identity: string;
  let tests = 0;
  beforeEach(async () => {
    tests += 1;
    identity = `trudy-${tests}`;
    link = await opened(await joined(identity, "--profile", "manage"));
  });
  afterEach(() => link[Symbol.dispose]());

  const limit = (what: string): Line => ({ event: "limit", identity, what });

  test("has so many handles, and no more", async () => {
    const results = await handles(link, 70);
    expect(results.filter((rv) => rv === Rv.ServerTooBusy)).toHaveLength(6);
    await onRecord(limit("handles"));
  });

  test("is slowed down, and bob is not", async () => {
    await handles(link, 8);
    const calls = floods(link, [40, 8], Buffer.from("00cb3fff00", "hex"));
    await onRecord(limit("commands a second"));
    const since = performance.now();
    await begins(his);
    await his.call(Type.End, { card: CARD, disposition: 0 });
    expect(performance.now() - since).toBeLessThan(1_000);
    expect(calls.filter((call) => link.resultOf(call) === undefined).length).toBeGreaterThan(0);
  });

  test("keeps so much here, and no more, while the card is bob's", async () => {
    await handles(link, 60);
    await begins(his);
    const calls = floods(link, [6, 60], new Uint8Array(60_000));
    await onRecord(limit("bytes"));
    const refused = await until("a refusal", () => calls.find((call) => link.resultOf(call)));
    expect(link.resultOf(refused)).toMatchObject({ rv: Rv.ServerTooBusy });
    await his.call(Type.End, { card: CARD, disposition: 0 });
  });
});

/** So many handles, from the first number on. */
async function handles(link: RawLink, count: number): Promise<readonly number[]> {
  const calls = Array.from({ length: count }, (_, n) =>
    link.call(Type.Connect, { card: n + 1, ...SHARED }),
  );
  return (await Promise.all(calls)).map(({ rv }) => rv);
}

/** So many calls on each of so many handles, without waiting for any. */
const floods = (link: RawLink, [count, cards]: readonly [number, number], apdu: Uint8Array) =>
  Array.from({ length: count * cards }, (_, n) =>
    link.tell(Type.Transmit, { card: 1 + (n % cards), ...pci }, apdu),
  );

/** Of this serve, as if somebody had read it. */
async function own(): Promise<Credentials> {
  const state = join(folder, "state/cardwire/serve");
  const [key, certificate] = await Promise.all(
    ["ca.key", "ca.crt"].map((name) => readFile(join(state, name), "utf8")),
  );
  return { key: key ?? "", certificate: certificate ?? "" };
}

/** A certificate in bob's name. */
async function certified(
  authority: Credentials,
  key: string,
  now = Date.now(),
): Promise<Credentials> {
  const request = await readRequest(await makeRequest(key));
  if (!request) throw new Error("no request");
  return { key, certificate: await certify(authority, request, "bob", { now }) };
}

function header(size: number, type: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(size, 0);
  bytes.writeUInt32BE(type, 4);
  return bytes;
}
