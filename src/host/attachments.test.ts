import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimAttachment, runningAttachments } from "./attachments.ts";
import { makeOwnedDirectory, sweepOwnedDirectories } from "./owned-directory.ts";

let runtime: string;
beforeEach(() => {
  runtime = mkdtempSync(join(tmpdir(), "cardwire-test-"));
});
afterEach(() => rmSync(runtime, { recursive: true, force: true }));

const asked = { name: "office", where: ["me@cardhost"], socket: "/run/x/pcscd.comm" };

test("a claim is on record while it lasts, and gone with all it held afterwards", async () => {
  {
    await using claim = await claimAttachment(runtime, asked);
    expect(claim.record).toMatchObject({ ...asked, pid: process.pid });
    expect(statSync(claim.directory).mode & 0o777).toBe(0o700);
    expect(JSON.parse(readFileSync(join(claim.directory, "attachment.json"), "utf8"))).toEqual(
      claim.record,
    );
    expect(await runningAttachments(runtime)).toEqual([claim.record]);
    writeFileSync(join(claim.directory, "more"), "");
  }
  expect(readdirSync(runtime)).toEqual([]);
  expect(await runningAttachments(runtime)).toEqual([]);
});

test("a name in use is refused, with its process", async () => {
  await using _claim = await claimAttachment(runtime, asked);
  await expect(claimAttachment(runtime, asked)).rejects.toMatchObject({
    code: "E_NAME_IN_USE",
    message: `process ${process.pid} is the attachment office, attached to me@cardhost`,
  });
});

test("of two at once one gets the name", async () => {
  const results = await Promise.allSettled([
    claimAttachment(runtime, asked),
    claimAttachment(runtime, asked),
  ]);
  expect(results.map(({ status }) => status).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
    "fulfilled",
    "rejected",
  ]);
});

test("what a dead process left behind is removed, also when its number lives again", async () => {
  const claim = await claimAttachment(runtime, asked);
  const record = { ...claim.record, startTime: claim.record.startTime - 1 };
  writeFileSync(join(claim.directory, "attachment.json"), JSON.stringify(record));
  writeFileSync(join(claim.directory, "left"), "");
  expect(await runningAttachments(runtime)).toEqual([]);
  await claim[Symbol.asyncDispose](); // not its own any more: stays
  expect(readdirSync(runtime)).toEqual(["office"]);
  await using again = await claimAttachment(runtime, asked);
  expect(readdirSync(again.directory)).toEqual(["attachment.json"]);
});

test.each(["", "{", "null", '{"name":"office","pid":"1"}'])(
  "a record %j is nobody's",
  async (text) => {
    mkdirSync(join(runtime, "office"));
    writeFileSync(join(runtime, "office", "attachment.json"), text);
    expect(await runningAttachments(runtime)).toEqual([]);
    await using _claim = await claimAttachment(runtime, asked);
  },
);

test("no run-time directory means no attachments", async () => {
  expect(await runningAttachments("/nonexistent")).toEqual([]);
});

test("sweeping removes the directories of dead owners only", async () => {
  const mine = await makeOwnedDirectory(runtime, "ssh");
  const { pid } = spawnSync("true");
  mkdirSync(join(runtime, `ssh-${pid.toString(36)}.zz-AbCd01`));
  mkdirSync(join(runtime, "ssh-other"));
  await sweepOwnedDirectories(runtime, "ssh");
  expect(
    readdirSync(runtime)
      .map((name) => join(runtime, name))
      .toSorted((a, b) => (a < b ? -1 : 1)),
  ).toEqual([mine, join(runtime, "ssh-other")].toSorted((a, b) => (a < b ? -1 : 1)));
});
