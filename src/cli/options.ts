import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { CertificateFiles } from "../carriers/tls/certificate-files.ts";
import { CardwireError } from "../domain/errors.ts";
import { isAnyAddress, isHostAddress } from "../domain/host-address.ts";
import type { PcscdOptions } from "../services/pcscd/daemon.ts";
import { CommandWithExamples, type Example } from "./help.ts";
import type { Via, WayOptions } from "./open-source.ts";

/** What WHERE may be, in every command's help. */
export const WHERE =
  "a host that was joined, [user@]host, ssh://[user@]host[:port], cardwire://host[:port], unix:PATH, software:, or demo:";

export const localOption = () =>
  new Option("--local", "the readers of this computer, too (or alone)");
/** Options of everything that attaches. */
export const sshOption = () =>
  new Option("--ssh <command>", "ssh program and its first arguments, as in CARDWIRE_SSH").env(
    "CARDWIRE_SSH",
  );
/** @param unless what holds without it. */
export const slotsOption = (unless: string) =>
  new Option(
    "--slots <number>",
    `reader slots that programs up to pcsc-lite 2.4 expect; Fedora's: 48 (default: ${unless})`,
  ).choices(["16", "48"] as const);
/** The default where programs are on this computer. */
export const SLOTS_AS_BUILT = "as each was built, else 16";
/** An option that may stand on a command line more than once; its values are a list. @param parse refuses a value. */
export const repeatable = <const F extends string>(
  flags: F,
  description: string,
  parse: (text: string) => string = (text) => text,
) =>
  new Option(flags, `${description} (repeatable)`).argParser(
    (text: string, before: readonly string[] | undefined): readonly string[] => [
      ...(before ?? []),
      parse(text),
    ],
  );

export const firstOption = () =>
  repeatable(
    "--first <glob>",
    "readers that programs with too few slots see first, after those with a card",
  );
export const strictOption = () =>
  new Option("--strict", "take no short cut that a program could notice: see ARCHITECTURE.md");
export const noPipeliningOption = () =>
  new Option("--no-pipelining", "await the answers that carry no news, too");
export const keepWarmOption = () =>
  new Option("--keep-warm", "stay connected to pcscd while no program uses the readers");

export const viaOption = () =>
  new Option(
    "--via <means>",
    "what to use over there: an agent, which keeps cards through breaks of the line and saves round trips, a forward to pcscd, or the best that there is",
  )
    .choices(["auto", "agent", "forward"] as const)
    .env("CARDWIRE_VIA")
    .default("auto" as const);
export const remoteNodeOption = () =>
  new Option("--remote-node <path>", "the Node.js over there that is to run the agent");
export const prefetchOption = () =>
  new Option(
    "--prefetch <what>",
    "have an agent fetch the rest of an answer that a card announces (61xx)",
  )
    .choices(["off", "response"] as const)
    .default("response" as const);

/** Seconds, as milliseconds. */
function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds > 86_400)
    throw new InvalidArgumentError("It wants a number of seconds, 86400 at most.");
  return Math.round(seconds * 1_000);
}

export const graceOption = () =>
  new Option(
    "--grace <seconds>",
    "how long an agent keeps cards for programs while the line is broken (default: 30)",
  ).argParser(parseSeconds);
export const lockTimeOption = () =>
  new Option(
    "--lock-time <seconds>",
    "how long it keeps a transaction while the line is broken (default: 10)",
  ).argParser(parseSeconds);

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
/** The longest time that an invitation may be good, s. */
const MAX_DURATION = 30 * 86_400;

/** `90s`, `30m`, `1h` or `7d`, as milliseconds. */
export function parseDuration(text: string): number {
  const [, number = "", unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(number) * (UNITS[unit] ?? 0);
  if (seconds <= 0 || seconds > MAX_DURATION)
    throw new InvalidArgumentError("It wants a time such as 30m, 1h or 7d, 30d at most.");
  return seconds * 1_000;
}

/** Whom an invitation lets in, and to what. */
export const grantOptions = {
  reader: () =>
    repeatable("--reader <glob>", "only readers of that name, such as 'Yubico*' (default: all)"),
  profile: () =>
    new Option("--profile <profile>", "what may be done with the cards")
      .choices(["look", "use", "manage"] as const)
      .default("use" as const),
  expires: () =>
    new Option(
      "--expires <time>",
      "how long the token is good, such as 30m, 1h or 7d (default: 1h)",
    ).argParser(parseDuration),
} as const;

/** Certificates of an organisation's. */
export const certificateOptions = {
  ca: () => new Option("--ca <file>", "certificates of an organisation's authorities, PEM"),
  cert: () => new Option("--cert <file>", "our certificate, and those between it and an authority"),
  key: () => new Option("--key <file>", "its private key, which nobody else may read"),
} as const;

/** The files, all or none. @throws {CardwireError} `E_USAGE` */
export function certificateFiles({
  ca,
  cert,
  key,
}: {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}): CertificateFiles | undefined {
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  if (ca === undefined || cert === undefined || key === undefined)
    throw wrongUsage("a part of the certificates is missing", "Give --ca, --cert and --key.");
  return { ca, cert, key };
}

/** A TCP port, or 0 for one that is free. */
export function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new InvalidArgumentError("It wants a number from 0 to 65535.");
  return Number(text);
}

/** A TCP port of another computer. */
export function parseOtherPort(text: string): number {
  const port = parsePort(text);
  if (port === 0) throw new InvalidArgumentError("It wants a number from 1 to 65535.");
  return port;
}

/** A host's name or address, as others know it. */
export function parseHostAddress(text: string): string {
  if (!isHostAddress(text) || isAnyAddress(text))
    throw new InvalidArgumentError("It wants a host's name, or an address that others reach.");
  return text;
}

/** The first of two ports, one for each reader; or 0 for any that are free. */
export function parseVpcdPort(text: string): number {
  const port = parsePort(text);
  if (port === 65_535)
    throw new InvalidArgumentError(
      "The second reader takes the next port: it wants at most 65534.",
    );
  return port;
}

export const vpcdPortOption = () =>
  new Option(
    "--vpcd-port <port>",
    "where cards of other programs connect to the readers of software:, this port and the next (default: 35963)",
  ).argParser(parseVpcdPort);

export const waitOption = () =>
  new Option("--wait", "start although the other computer cannot be reached yet, and keep trying");

/** A file mode in octal, as chmod takes it. */
export function parseMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text))
    throw new InvalidArgumentError("It wants an octal mode, such as 0660.");
  return Number.parseInt(text, 8);
}

/** Whom the socket admits. */
export const modeOption = () =>
  new Option(
    "--mode <mode>",
    "rights of the socket, octal (default: 0600, with --group 0660)",
  ).argParser(parseMode);
export const groupOption = () => new Option("--group <group>", "group of the socket");

/** See PcscliteServerOptions. */
export interface FrontOptions {
  readonly slots: number | undefined;
  readonly first: readonly string[] | undefined;
}

/** What the flags mean for the socket that programs see. */
export const frontOptions = (flags: {
  readonly slots?: "16" | "48" | undefined;
  readonly first?: readonly string[] | undefined;
}): FrontOptions => ({
  slots: flags.slots === undefined ? undefined : Number(flags.slots),
  first: flags.first,
});

/** What the flags mean for the way to pcscd. */
export function pcscdOptions(flags: {
  readonly strict?: true | undefined;
  readonly pipelining: boolean;
  readonly keepWarm?: true | undefined;
}): PcscdOptions {
  return {
    pipelining: flags.pipelining && !flags.strict,
    rememberFeatures: !flags.strict,
    keepWarm: flags.keepWarm ?? false,
  };
}

/** What the flags mean for the way to other computers. */
export function wayOptions(flags: {
  readonly strict?: true | undefined;
  readonly via: Via;
  readonly remoteNode?: string | undefined;
  readonly prefetch: "off" | "response";
  readonly grace?: number | undefined;
  readonly lockTime?: number | undefined;
}): { readonly way: WayOptions } {
  const { via, remoteNode, prefetch, grace: graceMs = 30_000, lockTime = 10_000 } = flags;
  const patience = { graceMs, lockMs: Math.min(lockTime, graceMs) };
  const way = { via, remoteNode, prefetch: prefetch === "response" && !flags.strict, patience };
  return { way };
}

/** The way where nothing but a forward will do, such as a short look. */
export const PLAIN_WAY: WayOptions = {
  via: "forward",
  remoteNode: undefined,
  prefetch: false,
  patience: { graceMs: 0, lockMs: 0 },
};

/** A subcommand whose help begins with examples. */
export const subcommand = (name: string, description: string, examples: readonly Example[]) =>
  new CommandWithExamples(name, description, examples);

/** Wrong usage that the parser itself cannot see. */
export const wrongUsage = (message: string, hint: string): CardwireError =>
  new CardwireError("E_USAGE", message, { hint });
