import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { run } from "../../lab/programs.ts";

/** A server on https://localhost that lets in whoever shows one certificate, and greets him by its common name. */
export interface GreetingServer extends AsyncDisposable {
  readonly port: number;
  /** A file with its own certificate, which it signed itself. */
  readonly certificate: string;
  /** Whom it greeted so far. */
  readonly greeted: readonly string[];
}

/** @param visitor the certificate that it asks for, in PEM. */
export async function startGreetingServer(visitor: string): Promise<GreetingServer> {
  const directory = await mkdtemp(join(tmpdir(), "greeting-"));
  const made = await run("sh", [
    "-c",
    `chmod 755 ${directory} && cd ${directory} && openssl req -x509 -newkey rsa:2048 -nodes -keyout key -subj /CN=localhost -addext subjectAltName=DNS:localhost -out certificate`,
  ]);
  if (made.status !== 0) throw new Error(made.stderr);
  const certificate = join(directory, "certificate");
  const greeted: string[] = [];
  const server = createServer(
    {
      key: await readFile(join(directory, "key")),
      cert: await readFile(certificate),
      ca: visitor,
      requestCert: true,
      rejectUnauthorized: true,
      keepAlive: false,
    },
    ({ socket }, response) => {
      const who = String((socket as TLSSocket).getPeerCertificate().subject.CN);
      greeted.push(who);
      response.setHeader("Connection", "close").end(`hello ${who}\n`);
    },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    certificate,
    greeted,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await rm(directory, { recursive: true });
    },
  };
}
