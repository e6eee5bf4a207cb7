import { X509Certificate } from "node:crypto";
import { isatty } from "node:tty";
import type { CertificateFiles } from "../../carriers/tls/certificate-files.ts";
import { CardwireError } from "../../domain/errors.ts";
import { parseWhere } from "../../domain/where.ts";
import type { JoinedHost } from "../../joined/hosts.ts";
import { joinAsMember, joinHost } from "../../joined/join.ts";
import { parseToken } from "../../wire/join/token.ts";
import type { Io } from "../io.ts";
import { wrongUsage } from "../options.ts";
import { tellIfSlow } from "../patience.ts";
import { printable } from "../report.ts";

/** More than any token has, bytes. */
const MAX_INPUT = 16_384;

/** Joins a card host. */
export async function runJoin(
  options: {
    readonly token: string | undefined;
    readonly name: string | undefined;
    readonly json: boolean;
    /** Certificates to join with, in the place of a token. */
    readonly files: CertificateFiles | undefined;
  },
  { io, signal }: { readonly io: Io; readonly signal: AbortSignal },
): Promise<void> {
  const { json } = options;
  const joined = await join(options, { io, signal });
  const expires = new Date(new X509Certificate(joined.credentials.certificate).validTo);
  const { identity, addresses, port } = joined;
  if (json) {
    const told = { name: joined.name, identity, addresses, port, expires: expires.toISOString() };
    io.out(JSON.stringify(told));
    return;
  }
  io.out(`joined ${joined.name} as ${printable(identity)}`);
  io.err(
    `Its readers, for one program: cardwire run ${joined.name} -- PROGRAM; for all: cardwire attach ${joined.name}`,
  );
}

async function join(
  { token, name, files }: Parameters<typeof runJoin>[0],
  { io, signal }: { readonly io: Io; readonly signal: AbortSignal },
): Promise<JoinedHost> {
  if (files) {
    const where = parseWhere(token ?? "");
    if (where.kind !== "cardwire")
      throw wrongUsage("with certificates, a card host is joined", "cardwire join cardwire://HOST");
    return await joinAsMember(where, files, { name }, { signal });
  }
  const text = token === undefined || token === "-" ? await typed(io, signal) : token;
  using _patience = tellIfSlow(io, "joining the card host");
  return await joinHost(parseToken(text), { name }, { signal });
}

/** The first line of standard input. */
async function typed(io: Io, signal: AbortSignal): Promise<string> {
  if (isatty(0)) io.err("Paste the token that 'cardwire invite' printed, and press Enter:");
  const { stdin } = process;
  const abort = () => stdin.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    let text = "";
    for await (const chunk of stdin) {
      text += String(chunk);
      if (text.trimStart().includes("\n") || text.length > MAX_INPUT) break;
    }
    signal.throwIfAborted();
    const [line = ""] = text.trim().split("\n");
    if (line === "")
      throw new CardwireError("E_TOKEN", "there is no token on standard input", {
        hint: "'cardwire invite NAME' on the card host prints one.",
      });
    return line;
  } finally {
    signal.removeEventListener("abort", abort);
    stdin.destroy();
  }
}
