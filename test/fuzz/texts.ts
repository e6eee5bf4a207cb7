import { explainComplaint } from "../../src/carriers/ssh/complaints.ts";
import { explainFindings, parseFindings } from "../../src/carriers/ssh/remote-probe.ts";
import { explainProblem, inUse } from "../../src/carriers/ssh/remote-socket-problems.ts";
import { splitCommand } from "../../src/carriers/ssh/split-command.ts";
import { attachCommand } from "../../src/cli/commands/attach.ts";
import { shareCommand } from "../../src/cli/commands/share.ts";
import { readersTable } from "../../src/cli/report.ts";
import { settingTables } from "../../src/cli/settings/keys.ts";
import { parseSettings } from "../../src/cli/settings/parse.ts";
import { parseHost } from "../../src/doctor/host-facts.ts";
import { CardwireError } from "../../src/domain/errors.ts";
import { globMatcher } from "../../src/domain/glob.ts";
import { innerName, outerName } from "../../src/domain/reader-name.ts";
import { parseWhere } from "../../src/domain/where.ts";
import { readLibrary } from "../../src/host/library-file.ts";
import { parseKnownHosts, parseSshConfig } from "../../src/host/ssh-config.ts";
import { fakeReader } from "../../src/testing/index.ts";
import { Draw } from "./draw.ts";
import { mutate } from "./mutate.ts";

// Whatever else reads what others wrote: ssh, the shell over there, files, names.

export interface TextInput {
  readonly seed: number;
  readonly how: string;
  readonly bytes: Buffer;
}

const LINES = [
  "cardwire-probe-1",
  "cardwire-doctor-1",
  "cardwire-socket-1",
  "user=bob",
  "uid=1000",
  "installed=yes",
  "polkit=yes",
  "connect=ok",
  "connect=denied",
  "end=yes",
  "pcscd.version=2.3.3",
  "pcscd.connections=3",
  "unit.socket=active enabled",
  "client=412 bob scdaemon",
  "sshd=/etc/ssh/sshd_config:57:  AllowTcpForwarding no",
  "usb=YubiKey \u001b[2JOTP",
  "done=yes",
  "\u001b]0;title\u0007",
  "Host a b* !c",
  "Include ~/x",
  "[attach.work]",
  'where = ["alice@cardhost", "unix:/run/x"]',
  'mode = "0660"',
  "slots = 48",
  '[share."\u00e4"]',
  "a = { b = [1, 2, { c = 'x' }] }",
  "|1|abc=|def= ssh-ed25519 AAAA",
  "[host]:2222,1.2.3.4 ssh-rsa AAAA",
  "ssh: Could not resolve hostname x: Name or service not known",
  "@@@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@@@",
  "Host key for \u001b[31mhost has changed and you have requested strict checking.",
  '  ssh-keygen -f "/home/x\u0007" -R "host"',
  "alice@host: Permission denied (publickey).",
  '{"from":"x\u001b","pid":1,"startedAt":"y"}',
  'ssh -o \'a b\' "c\\"d" \\',
  "[[[[[a-z]*?\\",
];

/** The input of a seed: lines of all kinds, spoilt or not, or bytes. */
export function textInput(seed: number): TextInput {
  const draw = new Draw(seed);
  if (draw.chance(0.15)) return { seed, how: "random", bytes: draw.bytes(draw.below(300)) };
  if (draw.chance(0.02)) {
    const line = Buffer.from(`${draw.pick(LINES)}\n`);
    return { seed, how: "long", bytes: Buffer.concat(Array.from({ length: 2_000 }, () => line)) };
  }
  const lines = Array.from({ length: draw.between(1, 14) }, () =>
    Buffer.from(`${draw.pick(LINES)}\n`),
  );
  if (draw.chance(0.3)) return { seed, how: "lines", bytes: Buffer.concat(lines) };
  return { seed, ...mutate(lines, draw) };
}

const io = { out: () => {}, err: () => {}, env: {} };
const tables = settingTables([attachCommand, shareCommand].map((make) => make(io, () => {})));
const attempt = { destination: "host", ssh: ["ssh"], canAsk: false };
const place = { place: "host", socket: "/run/pcscd/pcscd.comm" };

/** Everything that text can be read as. Each gives what a person may be shown of it. */
const readings: Readonly<Record<string, (text: string, bytes: Buffer) => unknown>> = {
  complaint: (text) => explainComplaint(text, attempt),
  findings: (text) => {
    const findings = parseFindings(text);
    return [findings, explainFindings(place, { opened: true, findings })];
  },
  facts: (text) => parseHost(text),
  problem: (text) => explainProblem("host", { problem: text, about: "" }),
  owner: (text) => {
    const [owner = ""] = text.split("\n");
    const look = { user: "u", path: "/p", fresh: "/f", found: "socket", owner } as const;
    return inUse("host", { ...look, fileOwner: undefined, run: undefined, connect: "ok" });
  },
  settings: (text) =>
    parseSettings(text, tables).problems.map(({ problem, remedy }) => [problem, remedy]),
  // What follows is not shown as it is: only that it is read at all.
  config: (text) => void parseSshConfig(text),
  hosts: (text) => void parseKnownHosts(text),
  command: (text) => void splitCommand(text),
  where: (text) => void parseWhere(text),
  glob: (text) => void globMatcher(text.slice(0, 200))(text.slice(0, 2_000)),
  library: (_text, bytes) => void readLibrary(bytes),
  readers: (text) => readersTable([fakeReader(text.slice(0, 127))]).replaceAll("\n", ""),
  names: (text) => {
    const outer = outerName("host", text);
    if (Buffer.byteLength(outer) > 127)
      throw new Error(`a name of ${Buffer.byteLength(outer)} bytes`);
    void innerName("host", text);
  },
};

/** Strings anywhere in a value, an error's message and hint among them. */
function strings(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (value instanceof Error)
    return strings([value.message, "hint" in value ? value.hint : undefined]);
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(strings);
}

/** Nothing is thrown but errors for people, nothing steers a terminal, and no more comes out than went in. */
export function judgeText({ bytes }: TextInput): void {
  const text = bytes.toString();
  for (const [name, read] of Object.entries(readings)) {
    let shown: readonly string[];
    try {
      shown = strings(read(text, bytes));
    } catch (error) {
      if (!CardwireError.is(error))
        throw new Error(`${name} throws ${String(error)}`, { cause: error });
      continue; // main.ts takes control characters out of what it prints of errors
    }
    const steering = shown.find((one) => /[^\P{Cc}\n]/u.test(one)); // hints may have several lines
    if (steering !== undefined)
      throw new Error(`${name} shows ${JSON.stringify(steering.slice(0, 200))}`);
    const length = shown.reduce((sum, one) => sum + one.length, 0);
    if (length > 8 * text.length + 4_000)
      throw new Error(`${name} makes ${length} characters of it`);
  }
}
