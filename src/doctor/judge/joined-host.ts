import type { Reader } from "../../domain/card-service.ts";
import type { CardwireError } from "../../domain/errors.ts";
import { withPort } from "../../domain/host-address.ts";
import { type Finding, finding, on, type Place } from "../finding.ts";
import { judgeLine } from "./line.ts";
import { judgeReaders } from "./readers.ts";

/** One address of a card host's, and what answers there. */
export interface AddressFacts {
  readonly address: string;
  /** How long it took until it was known who answers, ms. */
  readonly tookMs?: number;
  /** Why it is of no use; `silent` when it took too long. */
  readonly failure?: CardwireError | "silent";
  /** Whether the name stands for no address. */
  readonly isNameless?: boolean;
}

/** A link that was opened, or why it was not. */
export type LinkFacts =
  | { readonly failure: CardwireError | "silent" }
  | {
      readonly failure?: undefined;
      readonly tookMs: number;
      /** Who is there, in its own words. */
      readonly server: string;
      readonly readers: readonly Reader[];
      readonly roundTripMs: number | undefined;
    };

/** A card host that was joined. */
export interface JoinedFacts {
  readonly state: "known";
  /** What it is called here. */
  readonly name: string;
  /** As whom we are known there. */
  readonly identity: string;
  /** Whether we came with a certificate of an organisation's. */
  readonly isMember: boolean;
  /** From when and until when our certificate holds, ms. */
  readonly certificate: { readonly from: number; readonly to: number };
  readonly now: number;
  readonly port: number;
  readonly addresses: readonly AddressFacts[];
  /** Of cardwire here. */
  readonly release: string;
  /** Undefined where nobody answers. */
  readonly link: LinkFacts | undefined;
}

export type JoinedCase = JoinedFacts | { readonly state: "unknown"; readonly error: CardwireError };

export function judgeJoined(facts: JoinedCase): readonly Finding[] {
  if (facts.state === "unknown") {
    const { code, message, hint } = facts.error;
    const name = code === "E_NOT_JOINED" ? "joined-unknown" : "joined-state";
    return [finding(name, "fault", message, hint)];
  }
  return [judgeCertificate(facts), ...judgeAddresses(facts), ...judgeLink(facts)];
}

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

function judgeCertificate({ name, identity, isMember, certificate, now }: JoinedFacts): Finding {
  const { from, to } = certificate;
  const clock = `this computer's clock shows ${new Date(now).toISOString()}`;
  if (now < from)
    return finding(
      "joined-clock",
      "fault",
      `our certificate for ${name} holds only from ${day(from)}, and ${clock}`,
      SET_CLOCK,
    );
  const again = isMember ? "with a new certificate" : "with another token";
  const rejoin = [`cardwire leave ${name}`, `cardwire join   # ${again}`];
  if (now >= to)
    return finding(
      "joined-certificate-expired",
      "fault",
      `our certificate for ${name} expired on ${day(to)}; ${clock}`,
      ["date   # if the clock is right:", ...rejoin],
    );
  const what = `we are ${identity} at ${name}, by a certificate that holds until ${day(to)}`;
  if (to - now >= (to - from) / 3) return finding("joined-certificate", "good", what);
  return isMember
    ? finding("joined-certificate", "note", `${what}; nobody renews it`, rejoin)
    : finding("joined-certificate", "note", `${what}; the next attachment renews it`);
}

const SET_CLOCK = "timedatectl set-ntp true   # sets the clock right, here and on the card host";

function judgeAddresses({ name, port, addresses }: JoinedFacts): readonly Finding[] {
  const isThere = addresses.some(({ failure }) => failure === undefined);
  const level = isThere ? "note" : "fault";
  return addresses.map(({ address, failure, isNameless = false, tookMs = 0 }) => {
    const where = withPort(address, port);
    if (failure === undefined)
      return finding(
        "joined-address",
        "good",
        `${where} is ${name}, which took ${tookMs.toFixed(0)} ms to know`,
      );
    if (failure === "silent")
      return finding("joined-unreachable", level, `${where} does not answer in time`, RUNS);
    if (failure.code === "E_PEER")
      return finding("joined-peer", isThere ? "warning" : "fault", failure.message, failure.hint);
    if (isNameless)
      return finding("joined-name-unknown", level, failure.message, [
        `getent hosts ${address}   # is it known here?`,
        "# on the card host, for those who join from now on:",
        "cardwire invite NAME --address ADDRESS",
      ]);
    return finding("joined-unreachable", level, failure.message, RUNS);
  });
}

const RUNS = [
  "# on the card host:",
  "cardwire doctor   # does serve run there, and at that port?",
  "# and is the port open in its firewall?",
];

function judgeLink(facts: JoinedFacts): readonly Finding[] {
  const { name, identity, link } = facts;
  if (link === undefined) return [];
  if (link.failure !== undefined) return [refused(facts, link.failure)];
  const { tookMs, server, readers, roundTripMs } = link;
  const place: Place = { name, remote: true };
  const seen =
    readers.length > 0
      ? judgeReaders({ place, readers, host: undefined })
      : [
          finding(
            "joined-no-readers",
            "warning",
            `${name} shows ${identity} no readers`,
            on(
              place,
              "cardwire doctor   # does it have any?",
              `cardwire identities   # which was ${identity} invited to?`,
              "cardwire config check   # do rules hide them?",
            ),
          ),
        ];
  return [
    finding("joined-link", "good", `${name} let ${identity} in within ${tookMs.toFixed(0)} ms`),
    ...judgeRelease(facts, server),
    ...seen,
    ...judgeLine(place, roundTripMs),
  ];
}

function refused({ name, now }: JoinedFacts, failure: CardwireError | "silent"): Finding {
  if (failure === "silent")
    return finding("joined-link-failed", "fault", `${name} answers, and opens no link in time`, [
      ...on({ name, remote: true }, "cardwire status   # does serve answer there?"),
    ]);
  const { code, message, hint } = failure;
  if (code !== "E_DENIED") return finding("joined-link-failed", "fault", message, hint);
  // Ours holds, by the clock here: that was looked at before.
  if (/\bexpired\b|\bholds only from\b/.test(message))
    return finding(
      "joined-clock",
      "fault",
      `${message}; here it is ${new Date(now).toISOString()}`,
      SET_CLOCK,
    );
  return finding("joined-refused", "fault", message, hint);
}

function judgeRelease({ name, release }: JoinedFacts, server: string): readonly Finding[] {
  const [, theirs] = /^cardwire (\S+?),/.exec(server) ?? [];
  if (theirs === undefined || theirs === release) return [];
  const what = `${name} runs cardwire ${theirs}, and this is ${release}`;
  return [finding("joined-release", "note", what)];
}
