import { CardwireError } from "./errors.ts";
import { isHostAddress, withPort } from "./host-address.ts";

/** Where readers are, as the command line says it. */
export type Where =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "ssh"; readonly destination: string; readonly host: string }
  /** A card host that was joined, by its name here or its address. */
  | { readonly kind: "cardwire"; readonly host: string; readonly port?: number }
  /** Readers of cardwire itself. */
  | { readonly kind: "software" }
  /** One such reader, with a PIV card in it. */
  | { readonly kind: "demo" };

/**
 * `[user@]host`, `ssh://[user@]host[:port]`, `cardwire://host[:port]`, `unix:PATH`, `software:` or `demo:`.
 *
 * @throws {CardwireError} `E_WHERE` for anything else.
 */
export function parseWhere(text: string): Where {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
    if (!path.startsWith("/")) throw unknown(text, "unix: wants an absolute path");
    return { kind: "unix", path };
  }
  if (text.startsWith("cardwire:")) return parseCardwire(text);
  if (text === "software:" || text === "demo:")
    return { kind: text === "demo:" ? "demo" : "software" };
  const port = /^[^:/]+:(\d+)$/.exec(text)?.[1];
  if (port && !/^(software|demo):/.test(text))
    throw unknown(text, `a host with a port is ssh://${text}`);
  const scheme = /^([a-z][a-z+.-]*):/.exec(text)?.[1];
  if (scheme && scheme !== "ssh") throw unknown(text, `nothing is known of ${scheme}:`);
  return { kind: "ssh", destination: text, host: hostOf(text) };
}

function parseCardwire(text: string): Where {
  const [, bracketed, plain, digits] =
    /^cardwire:\/\/(?:\[([^\]]*)\]|([^:/[\]]*))(?::(\d{1,5}))?\/?$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = digits === undefined ? undefined : Number(digits);
  const isRight = isHostAddress(host) && port !== 0 && (port ?? 1) < 65_536;
  if (!isRight) throw unknown(text, "that is no host: cardwire://host[:port]");
  return { kind: "cardwire", host, ...(port !== undefined && { port }) };
}

/** A host that was joined, as {@link parseWhere} reads it. */
export const cardwireText = (host: string, port?: number): string =>
  `cardwire://${port === undefined ? withPort(host, 0).replace(/:0$/, "") : withPort(host, port)}`;

function hostOf(destination: string): string {
  const bare = destination.replace(/^ssh:\/\//, "").replace(/^[^@]*@/, "");
  const host = destination.startsWith("ssh://") ? bare.replace(/(:\d+)?\/?$/, "") : bare;
  const isCutShort = /^[^:]*:$/.test(host); // IPv6 addresses have more than one colon
  if (host === "" || isCutShort || destination.startsWith("-") || /[\s\p{C}]/u.test(destination))
    throw unknown(destination, "that is no host");
  return host;
}

const unknown = (text: string, why: string): CardwireError =>
  new CardwireError("E_WHERE", `${JSON.stringify(text)}: ${why}`, {
    hint: "WHERE is [user@]host, ssh://[user@]host[:port], cardwire://host[:port], unix:PATH, software:, or demo:.",
  });

/** The name that an attachment has when nobody chose one. */
export function nameOf(where: Where): string {
  if (where.kind === "unix") return "local";
  if (where.kind === "software" || where.kind === "demo") return where.kind;
  return wordOf(where.host) || "host";
}

/** What is left of a text as the name of an attachment; nothing, perhaps. */
export const wordOf = (text: string): string =>
  text.replaceAll(/[^A-Za-z0-9._-]/g, "-").replace(/^[^A-Za-z0-9]+/, "");
