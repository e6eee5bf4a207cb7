import { describe, expect, test } from "vitest";
import { serveCommand } from "../commands/serve.ts";
import { type SettingTables, settingTables } from "./keys.ts";
import { parseSettings } from "./parse.ts";

const io = { out: () => {}, err: () => {}, env: {} };
const tables: SettingTables = settingTables([
  serveCommand(
    io,
    () => {},
    () => tables,
  ),
]);
const read = (text: string) => parseSettings(text, tables);

test("[serve] is what the command line would have been", () => {
  const { serve, problems } = read(`
    [serve]
    port = 7817
    address = ["192.0.2.7", "192.0.2.8"]
    readers = "Yubi*"
    profile = "look"
    hand-over = "exclusive"
    idle-limit = "30s"
    rate-limit = 100
    bytes-limit = "4M"
    local = "off"
    audit = "stderr"
    audit-required = true
    metrics = 9100
    ca = "/etc/ca.pem"
    name-from = "SAN:email"
    pipelining = false
    keep-warm = true
  `);
  expect(problems).toEqual([]);
  expect(serve?.options).toEqual({
    port: 7817,
    address: ["192.0.2.7", "192.0.2.8"],
    reader: ["Yubi*"],
    profile: "look",
    handOver: "exclusive",
    idleLimit: 30_000,
    rateLimit: 100,
    bytesLimit: 4 << 20,
    local: "off",
    audit: "stderr",
    auditRequired: true,
    metrics: { host: "127.0.0.1", port: 9100 },
    ca: "/etc/ca.pem",
    nameFrom: "SAN:email",
    pipelining: false,
    keepWarm: true,
  });
});

test("limits of some identities, and what is done with some readers, are in the file's order", () => {
  const { serve, problems } = read(`
    [serve.groups]
    staff = ["alice", "b*"]
    [[serve.limit]]
    identities = "ci-*"
    idle-limit = "5s"
    link-limit = 4
    [[serve.limit]]
    groups = "staff"
    total-limit = "1h"
    bytes-limit = "1G"
    [[serve.reader]]
    readers = ["YubiKey*", "Nitro*"]
    hand-over = "shared"
  `);
  expect(problems).toEqual([]);
  expect(serve?.limits).toEqual([
    { identities: ["ci-*"], options: { idleLimit: 5_000, linkLimit: 4 } },
    { groups: ["staff"], options: { totalLimit: 3_600_000, bytesLimit: 1 << 30 } },
  ]);
  expect(serve?.readers).toEqual([
    { readers: ["YubiKey*", "Nitro*"], options: { handOver: "shared" } },
  ]);
});

test("about one call only: --invite, --expires, --json, --verbose", () => {
  const { serve, problems } = read(
    '[serve]\ninvite = "a"\nexpires = "1h"\njson = true\nverbose = true\n',
  );
  expect(problems.map(({ path }) => path.join("."))).toEqual([
    "serve.invite",
    "serve.expires",
    "serve.json",
    "serve.verbose",
  ]);
  expect(serve).toBeUndefined();
});

describe("what is wrong is said with its place and its remedy, and nothing of [serve] counts then", () => {
  const inServe = (line: string): string => `[serve]\nidle-limit = "9s"\n${line}\n`;
  const inLimit = (line: string): string => `[[serve.limit]]\nidentities = "a"\n${line}\n`;
  const inReader = (line: string): string => `[[serve.reader]]\nreaders = "a"\n${line}\n`;
  const HAND_OVER = 'hand-over = "reset"';

  test.each([
    [inServe("prot = 7816"), "3:1", 'serve has no setting "prot"', "did you mean port?"],
    [inServe("port = 70000"), "3:1", 'port cannot be "70000"', "number from 0 to 65535"],
    [inServe('hand-over = "rest"'), "3:1", 'hand-over cannot be "rest"', "reset, reset-unless"],
    [inServe("idle-limit2 = 1"), "3:1", 'no setting "idle-limit2"', "did you mean idle-limit?"],
    [inServe("total-limit = 60"), "3:1", "total-limit cannot be 60", "quotation marks"],
    [inServe('total-limit = "60"'), "3:1", 'total-limit cannot be "60"', "30m, 1h or 7d"],
    [inServe("link-limit = 0"), "3:1", 'link-limit cannot be "0"', "from 1 to"],
    [inServe('bytes-limit = "1K"'), "3:1", 'bytes-limit cannot be "1K"', "16M"],
    [inServe("audit-required = 1"), "3:1", "audit-required cannot be 1", "true or false"],
    [inServe('audit = "log"'), "3:1", 'audit cannot be "log"', "begins with / or ~/"],
    [inServe('key = "here.key"'), "3:1", 'key cannot be "here.key"', "begins with / or ~/"],
    [inServe('metrics = "off"'), "3:1", 'metrics cannot be "off"', "number from 0 to 65535"],
    [inServe('address = ["a", 5]'), "3:17", "address cannot be 5", "quotation marks"],
    [inLimit('idle-limit = "9"'), "3:1", 'idle-limit cannot be "9"', "30m, 1h or 7d"],
    [inLimit("port = 7816"), "3:1", 'a limit has no setting "port"', "there are identities"],
    [inLimit('groups = "staff"'), "3:1", 'there is no group "staff"', "below [serve.groups]"],
    [inLimit("identities2 = 1"), "3:1", 'no setting "identities2"', "did you mean identities?"],
    [inReader('hand-over = "no"'), "3:1", 'hand-over cannot be "no"', "reset, reset-unless"],
    [inReader('identities = "a"\nhand-over = "reset"'), "3:1", "a reader has no", "there are"],
    ['[[serve.reader]]\nreaders = "a"\n', "1:9", '"hand-over" is missing', "becomes of their"],
    [`[[serve.reader]]\n${HAND_OVER}\n`, "1:9", '"readers" is missing', 'readers = "YubiKey*"'],
    ["[serve]\nlimit = 5\n", "2:1", "serve.limit is no list", "[[serve.limit]]"],
    ["[serve.reader]\nreaders = 5\n", "1:8", "serve.reader is no list", "[[serve.reader]]"],
    ["[serve]\nlimit = [5]\n", "2:10", "limit 1 is no table", "[[serve.limit]]"],
  ])("%j", (text, at, problem, remedy) => {
    const { serve, problems } = read(text);
    expect(serve).toBeUndefined();
    expect(problems).toHaveLength(1);
    expect(`${problems[0]?.line}:${problems[0]?.column}`).toBe(at);
    expect(problems[0]?.problem).toContain(problem);
    expect(problems[0]?.remedy).toContain(remedy);
  });
});
