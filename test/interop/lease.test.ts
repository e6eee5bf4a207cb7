import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { readerNames } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { type Program, start } from "../lab/programs.ts";
import { type Attached, attach, cardwire, MAIN, PATIENCE_MS, using } from "./programs/cardwire.ts";
import { ServeStage } from "./programs/serve-stage.ts";

// alice's serve, and one card for bob and carol: leased to one of them, the other one waits.

const COMMAND = ["-r", "0", "-s", "80E0000003010203"] as const;
const WORKS = "Received (SW1=0x90, SW2=0x00)";
const [READER] = readerNames;
type User = "bob" | "carol";

let stage: ServeStage;
let attached: Record<User, Attached>;
beforeAll(async () => {
  stage = await ServeStage.open();
});
afterAll(async () => stage[Symbol.asyncDispose]());
beforeEach(async () => {
  await stage.startServe();
  for (const user of ["bob", "carol"] as const) await stage.joined(user, user);
  const [bob, carol] = await Promise.all([
    attach(["computer1"], stage.there("bob")),
    attach(["computer1"], stage.there("carol")),
  ]);
  attached = { bob, carol };
});
afterEach(async () => {
  for (const one of Object.values(attached)) await one[Symbol.asyncDispose]();
  await stage.clear();
});

/** A program under a lease, which goes on when it is written a line, and ends with status 7. */
const leasing = (user: User, ...flags: readonly string[]): Program => {
  const script = `opensc-tool ${COMMAND.join(" ")}; read line; exit 7`;
  const argv = [MAIN, "lease", READER, ...flags, "--", "sh", "-c", script];
  return start("node", argv, stage.there(user));
};
const leased = (program: Program) =>
  program.waitForLine(/is leased until \d\d:/, { timeoutMs: PATIENCE_MS });
/** A program of somebody who knows nothing of leases. */
const opensc = (user: User): Program =>
  start("opensc-tool", COMMAND, { ...stage.there(user), env: using(attached[user].socket) });
const status = async (): Promise<string> => (await cardwire(["status"], stage.here())).stdout;

async function recorded(event: string): Promise<readonly Record<string, unknown>[]> {
  const text = await readFile(join(stage.home("computer1", "alice"), "serve/audit.log"), "utf8");
  const all = text.split("\n").filter(Boolean);
  return all
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((one) => one["event"] === event);
}

test("while one leases the card, the other's program waits, and goes on afterwards", async () => {
  await using bob = leasing("bob");
  await leased(bob);
  await bob.waitForLine(/SW1=0x90/, { timeoutMs: PATIENCE_MS });
  await using carol = opensc("carol");
  await until("carol to wait", async () => /1\. carol waits/.test(await status()));
  expect(await status()).toContain(`${READER}: leased to bob`);
  expect(carol.output).not.toContain(WORKS);
  bob.write("\n");
  expect(await bob.exited).toEqual({ status: 7, signal: undefined });
  expect(await carol.exited).toMatchObject({ status: 0 });
  expect(carol.output).toContain(WORKS);
  expect(await status()).toContain(`${READER}: free`);
});

test("who waits sees his place; who does not is told who has it; a killed lease command gives it back", async () => {
  await using bob = leasing("bob");
  await leased(bob);
  const refused = await cardwire(["lease", "*00 00", "--", "true"], stage.there("carol"));
  expect([refused.status, refused.stderr]).toEqual([
    1,
    `cardwire: ${READER} is not free: bob has it\nhint: --wait waits for its turn.\n`,
  ]);
  await using carol = leasing("carol", "--wait");
  await carol.waitForLine(/^waiting for .*: the next in the queue; bob has it$/);
  bob.kill("SIGKILL");
  await leased(carol);
  expect(await status()).toContain(`${READER}: leased to carol`);
  carol.write("\n");
  expect(await carol.exited).toMatchObject({ status: 7 });
});

test("one who gives up leaves the queue, and ends as by the signal", async () => {
  await using bob = leasing("bob");
  await leased(bob);
  await using carol = leasing("carol", "--wait", "--json");
  await carol.waitForLine(/^\{"event":"waiting".*"ahead":0,"holder":"bob"\}$/);
  carol.kill("SIGINT");
  expect(await carol.exited).toEqual({ status: undefined, signal: "SIGINT" });
  await until("nobody to wait", async () => !/waits/.test(await status()));
});

test("it is renewed while the program runs, also after a break of the line", async () => {
  await using bob = leasing("bob", "--for", "6s");
  await leased(bob);
  await until("a renewal", async () => (await recorded("lease-renewed")).length > 0);
  await stage.lab.computer1.cut();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await stage.lab.computer1.mend();
  const before = (await recorded("lease-renewed")).length;
  await until("another", async () => (await recorded("lease-renewed")).length > before + 1);
  expect(bob.output).not.toContain("is over");
  expect(await status()).toContain("leased to bob");
}, 60_000);

test("an administrator takes it; the program goes on, and it is said", async () => {
  await using bob = leasing("bob");
  await leased(bob);
  await using carol = opensc("carol");
  await until("carol to wait", async () => /carol waits/.test(await status()));
  const others = await cardwire(["kick", "--identity", "carol"], stage.here());
  expect([others.status, others.stderr]).toEqual([0, "carol has none\n"]);
  const kicked = await cardwire(["kick", "*00 00"], stage.here());
  expect([kicked.status, kicked.stdout]).toEqual([0, `${READER} was taken from bob\n`]);
  await bob.waitForLine(/is over: an administrator ended it; the program goes on/);
  expect(await carol.exited).toMatchObject({ status: 0 });
  expect(await recorded("kick")).toMatchObject([{ identity: "bob", reader: READER }]);
  bob.write("\n");
  expect(await bob.exited).toMatchObject({ status: 7 });
});

test("what cannot be is said: another reader, no serve, no attachment that gives leases", async () => {
  const unknown = await cardwire(["lease", "Nothing", "--", "true"], stage.there("bob"));
  expect(unknown.stderr).toContain('no reader here is called "Nothing"');
  expect(unknown.stderr).toContain(READER);
  const several = await cardwire(["lease", "*", "--", "true"], stage.there("bob"));
  expect(several.stderr).toContain('several readers are called "*"');
  const nobody = await cardwire(["kick", "*"], stage.there("bob"));
  expect(nobody).toMatchObject({ status: 1 });
  expect(nobody.stderr).toContain("no 'cardwire serve' of this user runs here");
  const strange = await cardwire(["kick", "Nothing"], stage.here());
  expect(strange.stderr).toContain('no reader here is called "Nothing"');
  await using _plain = await attach(
    [`unix:${stage.lab.computer1.root}/nothing`, "--wait", "--name", "plain"],
    stage.there("bob"),
  );
  const two = await cardwire(["lease", READER, "--", "true"], stage.there("bob"));
  expect(two.stderr).toContain("several attachments are running");
  const named = ["lease", READER, "--name", "computer1", "--", "sh", "-c", "exit 3"];
  expect(await cardwire(named, stage.there("bob"))).toMatchObject({ status: 3 });
});
