import { explain, type Verdict } from "../services/policy/decide.ts";
import { type Profile, profileFor } from "../services/policy/profiles.ts";
import { Rehearsal } from "../services/policy/rehearsal.ts";
import { type Rules, rulesFor } from "../services/policy/rule.ts";
import type { Io } from "./io.ts";
import { wrongUsage } from "./options.ts";
import { printable } from "./report.ts";
import { hexBytes } from "./settings/patterns.ts";
import { table } from "./table.ts";

export interface PolicyTest {
  readonly as: string;
  readonly profile: Profile;
  readonly reader?: string | undefined;
  readonly atr?: string | undefined;
  readonly serial?: string | undefined;
  readonly json?: true | undefined;
}

/**
 * Judges commands as those of a session would be, and prints what comes of each.
 *
 * @throws {CardwireError} `E_USAGE` for what is not hexadecimal.
 */
export function testPolicy(
  commands: readonly string[],
  { as: identity, profile, reader: name = "", atr: atrText, serial, json }: PolicyTest,
  { io, rules: all }: { readonly io: Io; readonly rules: Rules },
): void {
  const apdus = commands.map((text) => bytesOf(text, "a command"));
  const atr = atrText === undefined ? undefined : bytesOf(atrText, "an answer to reset");
  const rules = rulesFor(all, identity, {
    reader: { name, ...(atr && { atr }) },
    serial,
  });
  const card = new Rehearsal({ profile, rules });
  const rows = apdus.map((apdu) => ({ apdu, verdict: card.judge(apdu) }));
  if (json) for (const row of rows) io.out(JSON.stringify(report(row.apdu, row.verdict)));
  else
    io.out(
      table(
        [],
        rows.map(({ apdu, verdict }) => line(apdu, verdict)),
      ),
    );
}

function bytesOf(text: string, what: string): Uint8Array {
  const bytes = hexBytes(text);
  if (bytes) return bytes;
  throw wrongUsage(
    `${what} is not in hexadecimal: ${printable(text)}`,
    "Two digits for each byte, such as 00a4040005a000000308.",
  );
}

const HEADER = 4;
/** The header, and how many bytes follow: what a command carries may be a PIN. */
function shown(apdu: Uint8Array): string {
  const header = Buffer.from(apdu.subarray(0, HEADER)).toString("hex");
  const more = apdu.length - HEADER;
  return more > 0 ? `${header} + ${more}` : header;
}

const line = (apdu: Uint8Array, verdict: Verdict): readonly string[] => [
  verdict.isAllowed ? "allowed" : "denied",
  shown(apdu),
  printable(explain(verdict)),
];

const report = (apdu: Uint8Array, verdict: Verdict) => ({
  command: shown(apdu),
  allowed: verdict.isAllowed,
  is: verdict.need.what,
  takes: profileFor(verdict.need.level),
  by: verdict.because.by,
  rule: verdict.because.by === "rule" ? verdict.because.rule.name : undefined,
  explanation: explain(verdict),
});
