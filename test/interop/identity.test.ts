import { once } from "node:events";
import { appendFile, chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { MAIN } from "./programs/cardwire.ts";
import { behindPcscd, inSoftware, type PivPlace } from "./programs/piv-places.ts";

// What a PIV card is for: it proves who somebody is, to sshd and to servers that ask for a certificate. The card lies in
// the reader of a real pcscd, and in a software reader.

const PIN = "123456";
/** Debian has it in the folder of the architecture. */
const MODULE = "$(dpkg -L opensc-pkcs11 | grep -m1 '/opensc-pkcs11[.]so$')";

let directory: string;
let places: Record<"pcscd" | "software", PivPlace>;
let sshd: Sshd;
let server: Server;
let port: number;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "identity-"));
  await chmod(directory, 0o755);
  const file = join(directory, "alice.card");
  const made = await run("node", [MAIN, "card", "new", "piv", file, "--name", "Alice Example"]);
  if (made.status !== 0) throw new Error(made.stderr);
  places = { pcscd: await behindPcscd(file), software: await inSoftware(file) };
  sshd = await startSshd();
  await writeFile(join(directory, "ask"), `#!/bin/sh\necho ${PIN}\n`, { mode: 0o755 });
  server = await tlsServer();
  port = (server.address() as AddressInfo).port;
});

afterAll(async () => {
  server?.close();
  await sshd?.[Symbol.asyncDispose]();
  for (const place of Object.values(places ?? {})) await place[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** A server that lets in whoever has the key of the card's authentication certificate, and greets him by his name. */
async function tlsServer(): Promise<Server> {
  const read = await places.pcscd.say("pkcs15-tool --read-certificate 1");
  expect(read.stdout).toMatch(/^-----BEGIN CERTIFICATE-----/m);
  const make = `cd ${directory} && openssl req -x509 -newkey rsa:2048 -nodes -keyout server.key -subj /CN=localhost -addext subjectAltName=DNS:localhost -out server.crt`;
  const made = await run("sh", ["-c", make]);
  if (made.status !== 0) throw new Error(made.stderr);
  const options = {
    key: await readFile(join(directory, "server.key")),
    cert: await readFile(join(directory, "server.crt")),
    ca: read.stdout.slice(read.stdout.indexOf("-----BEGIN")),
    requestCert: true,
    rejectUnauthorized: true,
  };
  const listening = createServer(options, (socket: TLSSocket) => {
    const who = String(socket.getPeerCertificate().subject.CN);
    socket.on("error", () => {});
    // Whoever cannot tell a server's end from a broken line asks first.
    socket.once("data", () => {
      socket.end(`HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello ${who}\n`, () =>
        socket.destroy(),
      );
    });
  });
  listening.on("tlsClientError", () => {}); // the client tells
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  return listening;
}

describe.each(["pcscd", "software"] as const)("with the card in %s", (which) => {
  test("sshd lets its holder in", async () => {
    const keys = await places[which].say(`ssh-keygen -D ${MODULE} | grep 'PIV AUTH'`);
    expect(keys.stdout).toMatch(/^ssh-rsa /);
    await appendFile(join(sshd.directory, "authorized_keys"), keys.stdout);
    const known = `-o HostKeyAlias=cardhost -o UserKnownHostsFile=${sshd.directory}/known_hosts`;
    const login = (option: string) =>
      places[which].say(`
        export SSH_ASKPASS=${directory}/ask SSH_ASKPASS_REQUIRE=force
        ssh -F none -p ${sshd.port} ${known} -o ${option} bob@${sshd.address} id -un`);
    const welcome = { status: 0, stdout: "bob\n" };
    expect(await login(`PKCS11Provider=${MODULE}`)).toMatchObject(welcome);
    expect(await login("IdentityFile=none")).toMatchObject({ status: 255, stdout: "" });
  });

  test("GnuTLS shows a server its certificate", async () => {
    const url = "pkcs11:token=Alice%20Example;id=%01";
    const greeted = await places[which].say(`
      export GNUTLS_PIN=${PIN}
      printf 'GET / HTTP/1.0\\r\\n\\r\\n' | gnutls-cli --provider ${MODULE} --x509cafile ${directory}/server.crt \\
        --x509certfile '${url};type=cert' --x509keyfile '${url};type=private' -p ${port} localhost`);
    expect(greeted.stdout).toMatch(/^hello Alice Example$/m);
  });

  test("NSS, which Firefox and Chromium have, shows it too", async () => {
    const greeted = await places[which].say(`
      printf '${PIN}\\n' >pin
      mkdir nss && certutil -N -d sql:nss --empty-password
      modutil -force -dbdir sql:nss -add card -libfile ${MODULE}
      certutil -A -d sql:nss -n server -t C,, -i ${directory}/server.crt
      name=$(certutil -L -d sql:nss -h all -f pin | sed -n 's/^\\(.*Certificate for PIV Authentication\\).*/\\1/p')
      printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 3 tstclnt -4 -h localhost -p ${port} -d sql:nss -n "$name" -W pin`);
    expect(greeted.stdout + greeted.stderr).toMatch(/^hello Alice Example$/m);
  });
});
