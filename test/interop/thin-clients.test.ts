import { afterAll, beforeAll, expect, test } from "vitest";
import { atrs } from "../lab/card.ts";
import { type Computers, startComputers } from "../lab/computers.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { run } from "../lab/programs.ts";
import { type UserName, users } from "../lab/users.ts";
import { share, using } from "./programs/cardwire.ts";
import {
  attachAs,
  installCardwire,
  line,
  prepare,
  Sandbox,
  shell,
  withShell,
} from "./programs/recipes.ts";

// docs/sandboxes.md, "Thin clients": a server, and two clients with a reader each.

let pcscds: readonly Pcscd[];
let lab: Computers<"server" | "thin1" | "thin2">;
let bin: AsyncDisposable;

beforeAll(async () => {
  const first = await startPcscd({ cards: [{ atr: atrs.t0 }] });
  const second = await startPcscd({ cards: [{ atr: atrs.t1 }] });
  pcscds = [first, second];
  lab = await startComputers(["server", "thin1", "thin2"]);
  await lab.thin1.plugIn(first);
  await lab.thin2.plugIn(second);
  bin = await installCardwire();
});
afterAll(async () => {
  await bin[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
  for (const pcscd of pcscds) await pcscd[Symbol.asyncDispose]();
});

/** The card that a user sees on the server through a socket. */
const card = async (user: UserName, socket: string) =>
  (await run("opensc-tool", ["-a"], { user, on: lab.server, env: using(socket) })).stdout;

test("attached by the users on the server, each has the reader before him", async () => {
  const on = lab.server;
  const recipe = line("Thin clients", "cardwire attach");
  await using alices = await attachAs(recipe, { user: "alice", on });
  await using _bobs = await attachAs(recipe.replace("thin1", "thin2"), { user: "bob", on });

  const use = `${line("Thin clients", "eval")}; opensc-tool -a`;
  const seenByAlice = await shell(use, { user: "alice", on });
  expect(seenByAlice).toMatchObject({ status: 0, stdout: "3b:00\n" });
  const seenByBob = await shell(use.replace("thin1", "thin2"), { user: "bob", on });
  expect(seenByBob).toMatchObject({ status: 0, stdout: "3b:80:01:81\n" });
  expect(await card("bob", alices.socket)).toBe("");
});

test("shared by the users on their clients, likewise", async () => {
  await using alices = await share(["server"], { user: "alice", on: lab.thin1 });
  await using bobs = await share(["server"], { user: "bob", on: lab.thin2 });
  expect(await card("alice", alices.socket)).toBe("3b:00\n");
  expect(await card("bob", bobs.socket)).toBe("3b:80:01:81\n");
  expect(await card("bob", alices.socket)).toBe("");
});

test("a sandbox on the server keeps the directory while share is restarted", async () => {
  const there = { user: "alice", on: lab.server } as const;
  await prepare(line("What holds for all of them", "mkdir"), there);
  const bwrap = line("bubblewrap", "bwrap").replace("/srv/debian", "/");
  const lent = ["server", "--socket", `${users.alice.home}/cards/pcscd.comm`];
  await using sandbox = new Sandbox(withShell(bwrap), there);
  for (const _ of [1, 2]) {
    await using _shared = await share(lent, { user: "alice", on: lab.thin1 });
    expect(await sandbox.list()).toContain("Virtual PCD 00 00");
  }
});
