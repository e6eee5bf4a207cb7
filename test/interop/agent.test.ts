import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { processes, until } from "../lab/processes.ts";
import { start } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { attach, leftIn, sshMasters, using } from "./programs/cardwire.ts";

// An agent at the other end of ssh: nothing is installed there but Node.js, which the lab's computer has.

let pcscd: Pcscd;
let sshd: Sshd;
let far: readonly string[];
beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  far = ["cardhost", "--ssh", `ssh -F ${sshd.clientConfig}`];
});
afterAll(async () => {
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
});

/** Process ids of the agents that outlive logins. */
async function keepers(): Promise<readonly number[]> {
  const found = await Promise.all(
    (await processes()).map(async ({ pid, zombie }) => {
      const title = zombie ? "" : await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      return title.startsWith("cardwire keeper") ? [pid] : [];
    }),
  );
  return found.flat();
}

const nothingLeft = async (): Promise<void> => {
  await until("no keeper is left", async () => (await keepers()).length === 0);
  expect(await sshMasters()).toEqual([]);
  expect(await leftIn("/tmp/cardwire-1002")).toEqual([]);
};

test("is sent, serves programs, and is gone afterwards", async () => {
  {
    await using attached = await attach([...far, "--via", "agent"]);
    expect(attached.program.output).toMatch(/sent from here/);
    expect(await keepers()).toHaveLength(1);
    await using scan = start("pcsc_scan", ["-r"], { user: "alice", env: using(attached.socket) });
    await scan.exited;
    expect(scan.output).toContain("Virtual PCD 00 00");
  }
  await nothingLeft();
}, 60_000);
