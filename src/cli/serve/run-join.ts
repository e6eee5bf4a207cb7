import { X509Certificate } from "node:crypto";
import { isatty } from "node:tty";
import { CardwireError } from "../../domain/errors.ts";
import { joinHost } from "../../joined/join.ts";
import { parseToken } from "../../wire/join/token.ts";
import type { Io } from "../io.ts";
import { tellIfSlow } from "../patience.ts";

/** More than any token has, bytes. */
const MAX_INPUT = 16_384;

/** Joins a card host. */
export async function runJoin(
  options: {
    readonly token: string | undefined;
    readonly name: string | undefined;
    readonly json: boolean;
  },
  { io, signal }: { readonly io: Io; readonly signal: AbortSignal },
): Promise<void> {
  const { name, json } = options;
  const isThere = options.token !== undefined && options.token !== "-";
  const token = parseToken(isThere ? (options.token ?? "") : await typed(io, signal));
  using _patience = tellIfSlow(io, "joining the card host");
  const joined = await joinHost(token, { name }, { signal });
  const expires = new Date(new X509Certificate(joined.credentials.certificate).validTo);
  const { identity, addresses, port } = joined;
  if (json) {
    const told = { name: joined.name, identity, addresses, port, expires: expires.toISOString() };
    io.out(JSON.stringify(told));
    return;
  }
  io.out(`joined ${joined.name} as ${identity}`);
  io.err(
    `Its readers, for one program: cardwire run ${joined.name} -- PROGRAM; for all: cardwire attach ${joined.name}`,
  );
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
