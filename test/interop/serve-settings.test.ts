import { chown, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { CountingWorker, end, mustBeOnceAndInOrder, working } from "../faults/workers.ts";
import { readerNames } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { run } from "../lab/programs.ts";
import { users } from "../lab/users.ts";
import { attach, cardwire, PATIENCE_MS, using } from "./programs/cardwire.ts";
import { ServeStage } from "./programs/serve-stage.ts";

// serve, with what alice's settings file says of it.

const WORKS = "Received (SW1=0x90, SW2=0x00)";

let stage: ServeStage;
let file: string;
beforeAll(async () => {
  stage = await ServeStage.open();
  await stage.pcscd.cards[1].insert();
  file = join(stage.lab.computer1.root, "run/home/alice/.config/cardwire/config.toml");
  await mkdir(dirname(file), { recursive: true });
  await run("chown", ["-R", "alice", dirname(dirname(file))]);
});
afterEach(async () => {
  await stage.clear();
  await rm(file, { force: true });
});
afterAll(async () => stage[Symbol.asyncDispose]());

async function write(text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  await chown(file, users.alice.uid, users.alice.gid);
}

/** Writes the file anew, and waits until serve says that of it, once more than before. */
async function rewrite(text: string, word: RegExp): Promise<void> {
  const times = () => stage.serve.output.split("\n").filter((line) => word.test(line)).length;
  const before = times();
  await write(text);
  await until(`serve to say ${word.source}`, () => times() > before, PATIENCE_MS);
}

const TAKEN = /^the settings file is in force as it is now$/;

/** One command to the card in a reader. */
async function said(user: "bob" | "carol", socket: string, reader: 0 | 1): Promise<string> {
  const options = { ...stage.there(user), env: using(socket) };
  const done = await run("opensc-tool", ["-r", `${reader}`, "-s", "80E0000003010203"], options);
  return done.stdout + done.stderr;
}

test("limits and hand-over are those of the file, and others take their place while links stay", async () => {
  await write(
    '[serve]\nport = 7899\nhandle-limit = 9\n[[serve.limit]]\nidentities = "b*"\nhandle-limit = 1\n',
  );
  await stage.startServe();
  expect(stage.serve.output).toContain("at port 7899");
  await stage.joined("bob");
  await stage.joined("carol", "carol");
  const socket = "/run/tmp/settings.comm"; // which both computers and the lab have in common
  await using bob = await attach(["computer1", "--socket", socket], stage.there());
  await using carol = await attach(["computer1"], stage.there("carol"));
  const counting = { reader: readerNames[0], mark: "c1", handle: "keep" } as const;
  await using worker = new CountingWorker(using(socket), counting, "bob");
  await working([worker]);
  // It has the one handle that he may have; carol may have more.
  expect(await said("bob", bob.socket, 1)).not.toContain(WORKS);
  expect(await said("carol", carol.socket, 1)).toContain(WORKS);
  await stage.untilRecorded(
    "limit",
    ({ identity, what }) => identity === "bob" && what === "handles",
  );

  await rewrite(
    '[serve]\nport = 7900\n[[serve.limit]]\nidentities = "b*"\nhandle-limit = 2\n',
    TAKEN,
  );
  await stage.serve.waitForLine(/^these take another start of serve: port$/);
  expect(await said("bob", bob.socket, 1)).toContain(WORKS);

  const exclusive = '[[serve.reader]]\nreaders = "*00 00"\nhand-over = "exclusive"\n';
  await rewrite(
    `${exclusive}[[serve.limit]]\nhandle-limt = 1\n`,
    /^the settings stay as they were/,
  );
  expect(stage.serve.output).toMatch(/config\.toml:5:1: a limit has no setting "handle-limt"/);
  await working([worker]);
  await rewrite(exclusive, TAKEN);
  expect(await said("carol", carol.socket, 0)).not.toContain(WORKS);
  expect(await said("carol", carol.socket, 1)).toContain(WORKS);

  await end([worker]);
  mustBeOnceAndInOrder(await stage.pcscd.cards[0].log(), [worker]);
  const links = (await stage.recorded()).filter(({ event }) => event === "link");
  expect(links.map(({ identity }) => identity)).toEqual(["bob", "carol"]);
}, 120_000);

test("a mistake keeps serve from starting, and the command line goes before the file", async () => {
  await write('[serve]\nport = 7899\nidle-limit = "soon"\n');
  const refused = await cardwire(["serve"], stage.here());
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/config\.toml:3:1: idle-limit cannot be "soon"; it wants a time/);
  await write("[serve]\nport = 7899\n");
  await stage.startServe("--port", "7898");
  expect(stage.serve.output).toContain("at port 7898");
});
