import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Computers, startComputers } from "../lab/computers.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { type RunOptions, run, start } from "../lab/programs.ts";
import { attach, cardwire, PATIENCE_MS, using } from "./programs/cardwire.ts";

// The lab's computers themselves, and cardwire between two of them.

let pcscd: Pcscd;
let lab: Computers<"computer1" | "computer2" | "computer3">;

beforeAll(async () => {
  pcscd = await startPcscd();
  lab = await startComputers(["computer1", "computer2", "computer3"]);
  await lab.computer1.plugIn(pcscd);
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
});

const ssh = (args: readonly string[], options: RunOptions) => run("ssh", args, options);

test("everybody logs in everywhere by its name, as himself or somebody else", async () => {
  const { computer1, computer2, computer3 } = lab;
  const there = await ssh(["computer2", "hostname; id -un; echo $HOME"], {
    user: "alice",
    on: computer1,
  });
  expect(there).toMatchObject({ status: 0, stdout: "computer2\nalice\n/run/home/alice\n" });
  const back = await ssh(["carol@computer3", "ssh bob@computer1 hostname; id -un"], {
    user: "root",
    on: computer2,
  });
  expect(back).toMatchObject({ status: 0, stdout: "computer1\ncarol\n" });
  expect((await run("hostname", [], { on: computer3 })).stdout).toBe("computer3\n");
});

test("files, sockets and readers are each computer's own", async () => {
  const { computer1, computer2 } = lab;
  const list = (on: RunOptions["on"] & object) => run("opensc-tool", ["-l"], { user: "bob", on });
  expect((await list(computer1)).stdout).toContain("Virtual PCD 00 00");
  expect((await list(computer2)).stdout).toContain("No smart card readers found");
  const login = await ssh(["computer1", "opensc-tool -l"], { user: "bob", on: computer2 });
  expect(login.stdout).toContain("Virtual PCD 00 00");

  const files = ["/tmp/f", "/run/user/4102/f", "/run/home/bob/f"];
  await run("touch", files, { user: "bob", on: computer1 });
  for (const file of files) {
    expect(existsSync(join(computer1.root, file))).toBe(true);
    expect(existsSync(join(computer2.root, file))).toBe(false);
    expect(existsSync(file)).toBe(false);
  }
});

test("a cable that is pulled loses everything and tells nobody; put back, what waited arrives", async () => {
  const { computer1, computer2 } = lab;
  await using login = start("ssh", ["computer1", "while read line; do echo got $line; done"], {
    user: "alice",
    on: computer2,
  });
  login.write("one\n");
  await login.waitForLine(/^got one$/, { timeoutMs: PATIENCE_MS });
  await computer1.cut();
  login.write("two\n");
  const lost = await ssh(["-o", "ConnectTimeout=1", "computer1", "true"], { on: computer2 });
  expect(lost.status).toBe(255);
  expect(login.output).toBe("got one\n");
  expect((await ssh(["computer3", "true"], { on: computer2 })).status).toBe(0);
  await computer1.mend();
  await login.waitForLine(/^got two$/, { timeoutMs: PATIENCE_MS });
});

test("cardwire attaches on one computer to the readers of another", async () => {
  const { computer1, computer2, computer3 } = lab;
  await using attached = await attach(["bob@computer1"], { on: computer2 });
  expect(attached.socket).toBe("/run/user/4101/cardwire/computer1/pcscd.comm");
  const options = { user: "alice", env: using(attached.socket) } as const;
  const list = (on: RunOptions["on"] & object) => run("opensc-tool", ["-l"], { ...options, on });
  expect((await list(computer2)).stdout).toContain("Virtual PCD 00 00");
  expect((await list(computer3)).stdout).toContain("No smart card readers found");
  expect((await cardwire(["env"], { on: computer1 })).status).toBe(1);
});

test("a dozen of them know each other", async () => {
  const names = Array.from({ length: 12 }, (_, i) => `host${i + 1}`);
  await using many = await startComputers(names);
  const first = many["host1"];
  const last = many["host12"];
  const done = await ssh(["host12", "hostname"], { user: "bob", ...(first && { on: first }) });
  expect(done.stdout).toBe(`${last?.name}\n`);
});

test("disposing ends what runs there", async () => {
  await using other = await startComputers(["computer1"]);
  const script = "echo in; exec sleep 1000";
  const program = start("sh", ["-c", script], { user: "carol", on: other.computer1 });
  await program.waitForLine(/^in$/);
  await other[Symbol.asyncDispose]();
  expect(await program.exited).toMatchObject({ signal: "SIGKILL" });
});
