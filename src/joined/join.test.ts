import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type CheckedRequest,
  type Credentials,
  certify,
  makeAuthority,
  makeServerCredentials,
  readRequest,
} from "../carriers/tls/authority.ts";
import { fingerprintOf, readCertificate } from "../carriers/tls/certificates.ts";
import { hear, say } from "../carriers/tls/exchange.ts";
import { listenTls } from "../carriers/tls/listen.ts";
import { Protocol } from "../carriers/tls/protocols.ts";
import { JoinRequest, read } from "../wire/join/messages.ts";
import { TOKEN_SECRET_BYTES, type Token } from "../wire/join/token.ts";
import { joinHost } from "./join.ts";

const signal = AbortSignal.timeout(60_000);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "join-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Answer = (stream: Duplex, request: CheckedRequest, authority: Credentials) => Promise<void>;

/** Joins a card host that answers as it likes. Rejects with what join says. */
async function joinOne(answer: Answer): Promise<void> {
  const authority = await makeAuthority("strange");
  const server = await makeServerCredentials(authority, "strange");
  const reply = async (stream: Duplex): Promise<void> => {
    const asked = read(JoinRequest, await hear(stream, { signal }));
    const request = await readRequest(asked?.request ?? new Uint8Array());
    if (request) await answer(stream, request, authority);
  };
  await using listener = await listenTls({
    port: 0,
    addresses: ["127.0.0.1"],
    protocols: [Protocol.Join],
    refused: () => {},
    secrets: {
      key: server.key,
      certificate: server.certificate + authority.certificate,
      authorities: [authority.certificate],
    },
    arrived: ({ stream }) => void reply(stream), // should it reject, join is told nothing
  });
  const token: Token = {
    addresses: ["127.0.0.1"],
    port: listener.port,
    secret: randomBytes(TOKEN_SECRET_BYTES),
    fingerprint: Buffer.from(fingerprintOf(readCertificate(authority.certificate)), "hex"),
  };
  await joinHost(token, { name: "strange", path: folder }, { signal });
}

test("a card host may not call us what is no name", async () => {
  const joining = joinOne(async (stream, request, authority) => {
    say(stream, { name: "x", certificate: await certify(authority, request, "\u001b[31mroot") });
  });
  await expect(joining).rejects.toMatchObject({
    code: "E_PROTOCOL",
    message: "the card host's certificate is for a name that nobody can have",
  });
  expect(await readdir(folder)).toEqual([]);
});

test("whoever is hung up on learns what that means for his token", async () => {
  const joining = joinOne(async (stream) => void stream.destroy());
  await expect(joining).rejects.toMatchObject({
    code: "E_PROTOCOL",
    message: expect.stringMatching(/^the card host gave no certificate: .* hung up/),
    hint: expect.stringContaining("The token may be used up"),
  });
  expect(await readdir(folder)).toEqual([]);
});
