import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { keepers } from "../faults/keepers.ts";
import { CountingWorker, end, mustHaveNoticedNothing, working } from "../faults/workers.ts";
import { readerNames } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { type Program, run, start } from "../lab/programs.ts";
import { attach, cardwire, here, MAIN, PATIENCE_MS, using } from "./programs/cardwire.ts";
import { ServeStage } from "./programs/serve-stage.ts";

// alice's computer1 has the readers and runs serve. carol joined it; bob logs in there by ssh, as alice or as himself.

/** Of the test card: verifies a PIN, and tells whether one is verified. */
const VERIFY = "8020000000";
const IS_VERIFIED = "80EA0000";
const WORKS = "Received (SW1=0x90, SW2=0x00)";

let stage: ServeStage;
beforeAll(async () => {
  stage = await ServeStage.open();
});
afterAll(async () => stage[Symbol.asyncDispose]());

/** What the card answers to one command after the other, as `opensc-tool -s` prints it. */
async function sent(user: "bob" | "carol", socket: string, ...commands: readonly string[]) {
  const args = ["-r", "0", ...commands.flatMap((command) => ["-s", command])];
  const done = await run("opensc-tool", args, { ...stage.there(user), env: using(socket) });
  return [...done.stdout.matchAll(/SW1=0x(..), SW2=0x(..)\)(?::\n(.*))?/g)].map(
    ([, sw1, sw2, data = ""]) => `${sw1}${sw2} ${data.slice(0, 2)}`.trim(),
  );
}

async function works(user: "bob" | "carol", socket: string): Promise<boolean> {
  const args = ["-r", "0", "-s", "80E0000003010203"];
  const done = await run("opensc-tool", args, { ...stage.there(user), env: using(socket) });
  return `${done.stdout}${done.stderr}`.includes(WORKS);
}

const keeperOf = async (): Promise<unknown> => {
  const { stdout } = await cardwire(["status", "--json"], stage.there());
  return (JSON.parse(stdout) as { sources: { keeper?: string }[] }).sources[0]?.keeper;
};

async function recorded(): Promise<readonly Record<string, unknown>[]> {
  const file = join(stage.home("computer1", "alice"), "serve/audit.log");
  const lines = (await readFile(file, "utf8")).split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

const noKeepers = () =>
  until("no agent of its own is left", async () => (await keepers()).length === 0);

describe("alice's serve, and her account", () => {
  beforeEach(async () => stage.startServe());
  afterEach(async () => {
    await stage.clear();
    await noKeepers();
  });

  test("who comes by ssh and who was invited are kept apart, in one queue", async () => {
    await stage.joined("carol", "carol");
    await using bob = await attach(["alice@computer1"], stage.there("bob"));
    await using carol = await attach(["computer1"], stage.there("carol"));
    expect(bob.program.output).toContain("alice@computer1 runs 'cardwire serve'");
    expect(bob.program.output).not.toContain("get it by chance");
    expect([await keeperOf(), await keepers()]).toEqual(["serve", []]);
    expect(stage.serve.output).toMatch(/^local:alice came in from this computer$/m);

    const [, mine] = await sent("bob", bob.socket, VERIFY, IS_VERIFIED);
    const [theirs] = await sent("carol", carol.socket, IS_VERIFIED);
    expect(mine).not.toBe(theirs);
    expect(await sent("bob", bob.socket, IS_VERIFIED)).toEqual([theirs]);

    const turns = (user: "bob" | "carol", socket: string, who: number) =>
      run("python3", [here("turns_apart.py"), `${who}`, "20"], {
        ...stage.there(user),
        env: using(socket),
        timeoutMs: 60_000,
      });
    const done = await Promise.all([
      turns("bob", bob.socket, 1),
      turns("bob", bob.socket, 2),
      turns("carol", carol.socket, 3),
    ]);
    for (const { status, stdout, stderr } of done)
      expect({ status, stdout, stderr }).toMatchObject({ status: 0, stderr: "" });
    await until("the record", async () => {
      const transactions = (await recorded()).filter(({ event }) => event === "transaction");
      const of = (name: string) => transactions.filter(({ identity }) => identity === name).length;
      return of("local:alice") >= 40 && of("carol") >= 20;
    });
  }, 120_000);

  test("scripts are told as well", async () => {
    const program = start("node", [MAIN, "attach", "--json", "alice@computer1"], stage.there());
    try {
      const line = await program.waitForLine(/^\{/, { timeoutMs: PATIENCE_MS });
      expect(JSON.parse(line)).toMatchObject({
        sources: [{ via: "agent", keeper: "serve", readers: [...readerNames] }],
      });
    } finally {
      program.kill("SIGINT");
      await program.exited;
    }
  });

  test("a cable that is pulled and put back is noticed by no program", async () => {
    await using bob = await attach(
      ["alice@computer1", "--socket", "/run/tmp/bob.comm"], // which both computers and the lab have in common
      stage.there("bob"),
    );
    const worker = { reader: readerNames[0], mark: "a1", handle: "keep" } as const;
    await using keeps = new CountingWorker(using(bob.socket), worker, "bob");
    await working([keeps]);
    await stage.lab.computer1.cut();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await stage.lab.computer1.mend();
    await end([keeps]);
    mustHaveNoticedNothing(await stage.pcscd.cards[0].log(), [keeps]);
    expect([await keeperOf(), await keepers()]).toEqual(["serve", []]);
  }, 90_000);

  test("serve is killed: the attachment goes on with an agent of its own", async () => {
    await using bob = await attach(["alice@computer1"], stage.there("bob"));
    expect(await works("bob", bob.socket)).toBe(true);
    stage.serve.kill("SIGKILL");
    await stage.serve.exited;
    await until("the card", () => works("bob", bob.socket));
    expect([await keeperOf(), (await keepers()).length]).toEqual(["agent", 1]);
    // Who attaches when it is there again joins it.
    await stage.startServe();
    await using again = await attach(["alice@computer1", "--name", "again"], stage.there("bob"));
    expect(again.program.output).toContain("runs 'cardwire serve'");
  }, 90_000);

  test("serve hangs: the attachment goes on with an agent of its own", async () => {
    await using bob = await attach(["alice@computer1"], stage.there("bob"));
    expect(await works("bob", bob.socket)).toBe(true);
    // One that stands still with pcscd's lock keeps everybody off the card, whoever asks: it is to hang without.
    await until("serve to let go of the card", async () => {
      const direct = ["-r", "0", "-s", "80E0000003010203"];
      const env = using(stage.pcscd.socketPath);
      return (await run("opensc-tool", direct, { env })).stdout.includes(WORKS);
    });
    stage.serve.kill("SIGSTOP");
    try {
      await until("another agent", async () => (await keepers()).length === 1, 90_000);
      await until("the card", () => works("bob", bob.socket), 60_000);
    } finally {
      stage.serve.kill("SIGCONT");
    }
  }, 180_000);

  test("a user of the card host who is revoked leaves at once, and can be let in again", async () => {
    await using bob = await attach(["alice@computer1"], stage.there("bob"));
    expect((await cardwire(["revoke", "local:alice"], stage.here())).stderr).toContain(
      "'cardwire revoke --undo local:alice' would let him in again",
    );
    await bob.program.waitForLine(/the identity local:alice was revoked/, { timeoutMs: 2_000 });
    await until("the card", () => works("bob", bob.socket));
    expect(await keeperOf()).toBe("agent");
    const { stdout } = await cardwire(["identities"], stage.here());
    expect(stdout).toMatch(/^local:alice +revoked/m);
    await using other = await attach(["alice@computer1", "--name", "other"], stage.there("bob"));
    expect(other.program.output).toContain(
      "which does not let you in (the identity local:alice was revoked)",
    );
    await cardwire(["revoke", "--undo", "local:alice"], stage.here());
    await using again = await attach(["alice@computer1", "--name", "again"], stage.there("bob"));
    expect(again.program.output).toContain("alice@computer1 runs 'cardwire serve'");
  }, 90_000);

  test("with --local off nobody of the card host comes in", async () => {
    stage.serve.kill("SIGINT");
    await stage.serve.exited;
    await stage.startServe("--local", "off");
    await using bob = await attach(["alice@computer1"], stage.there("bob"));
    expect(bob.program.output).not.toContain("cardwire serve");
    expect(await keeperOf()).toBe("agent");
  });
});

describe("root's serve", () => {
  let serve: Program | undefined;
  // Root's state is there, and that of the computer under the lab is nobody's business.
  beforeAll(async () => {
    await run("mount", ["-t", "tmpfs", "tmpfs", "/var/lib"], { on: stage.lab.computer1 });
  });
  const begin = async (...flags: readonly string[]) => {
    const as = { user: "root", on: stage.lab.computer1 } as const;
    serve = start("node", [MAIN, "serve", "-v", ...flags], as);
    await serve.waitForLine(/^Ctrl-C ends it/, { timeoutMs: PATIENCE_MS });
  };
  afterEach(async () => {
    serve?.kill("SIGINT");
    await serve?.exited;
    await noKeepers();
  });

  test("lets members of its group in, with what they may do; others have agents of their own", async () => {
    await begin("--local-group", "cards", "--local", "look");
    const socket = join(stage.lab.computer1.root, "run/cardwire/_serve");
    expect((await stat(socket)).mode & 0o777).toBe(0o660);
    await using alice = await attach(["alice@computer1", "--name", "alice"], stage.there());
    await using bob = await attach(["bob@computer1", "--name", "bob"], stage.there());
    expect(alice.program.output).toContain("alice@computer1 runs 'cardwire serve'");
    expect(bob.program.output).toContain("which does not let you in (it does not admit bob)");
    // She may look, and this command is not among those that do no more.
    expect(await sent("bob", alice.socket, IS_VERIFIED)).toEqual(["6985"]);
    expect(await works("bob", bob.socket)).toBe(true);
  }, 90_000);
});

test("where sshd forbids forwards, a relay leads to serve, as the user who logged in", async () => {
  await using strict = await ServeStage.open(["AllowStreamLocalForwarding no"]);
  await strict.startServe();
  {
    await using bob = await attach(["alice@computer1"], strict.there("bob"));
    expect(bob.program.output).toContain("alice@computer1 runs 'cardwire serve'");
    expect(strict.serve.output).toMatch(/^local:alice came in from this computer$/m);
    const args = ["-r", "0", "-s", "80E0000003010203"];
    const done = await run("opensc-tool", args, { ...strict.there(), env: using(bob.socket) });
    expect(done.stdout + done.stderr).toContain(WORKS);
  }
  await strict.clear();
  await noKeepers();
}, 90_000);
