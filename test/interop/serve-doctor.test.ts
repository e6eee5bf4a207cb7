import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { cardwire } from "./programs/cardwire.ts";
import { doctor, expectTrouble, troubles } from "./programs/doctor.ts";
import { ServeStage } from "./programs/serve-stage.ts";

// `cardwire doctor` for a card host that was joined, and on a card host, with real faults.

let stage: ServeStage;
beforeAll(async () => {
  stage = await ServeStage.open();
});
afterAll(async () => stage[Symbol.asyncDispose]());
beforeEach(async () => {
  await stage.startServe();
  await stage.joined("bob");
});
afterEach(async () => stage.clear());

const there = (...args: readonly string[]) => doctor(args, stage.there());
const names = ({ findings }: Awaited<ReturnType<typeof there>>) =>
  findings.map(({ check }) => check);

test("all is well, from there and here", async () => {
  const found = await there("computer1");
  expect(troubles(found)).toEqual([]);
  expect(found.find("joined-certificate").what).toContain("we are bob at computer1");
  expect(found.find("readers").what).toContain("Virtual PCD 00 00");
  expect(found.find("line-round-trip").what).toContain("ms");
  expect(names(await there("cardwire://computer1"))).toEqual(names(found));
  const here = await doctor([], stage.here());
  expect(
    here.findings.filter(({ check }) => check.startsWith("serve-")).map(({ level }) => level),
  ).toEqual(["good", "good", "good", "good"]);
});

test("who was revoked, and who sees no readers", async () => {
  await cardwire(["leave", "computer1"], stage.there());
  await stage.joined("bob", "bob", "--reader", "nothing like that");
  expectTrouble(await there("computer1"), "joined-no-readers", {
    level: "warning",
    remedy: /cardwire identities/,
  });
  await cardwire(["revoke", "bob"], stage.here());
  expectTrouble(await there("computer1"), "joined-refused", {
    what: /the identity bob was revoked/,
    remedy: /another invitation/,
  });
});

test("a wrong address, a wrong name, and somebody else", async () => {
  const file = join(stage.home("computer2", "bob"), "hosts/computer1/host.json");
  const text = await readFile(file, "utf8");
  const record = JSON.parse(text) as { fingerprint: string; addresses: readonly string[] };
  const put = (more: object) => writeFile(file, JSON.stringify({ ...record, ...more }));
  await put({ addresses: ["10.78.0.99"], port: 7816 });
  expectTrouble(await there("computer1"), "joined-unreachable", { remedy: /firewall/ });
  await put({ addresses: ["nosuchhost.invalid"] });
  expectTrouble(await there("computer1"), "joined-name-unknown", {
    remedy: /getent hosts nosuchhost\.invalid/,
  });
  await put({ addresses: ["nosuchhost.invalid", ...record.addresses] });
  expect(troubles(await there("computer1"))).toEqual([]);
  await put({ fingerprint: "ab".repeat(32) });
  const other = await there("computer1");
  expect(other.find("joined-peer").remedy).toContain("somebody may be in between");
  expect(other.status).toBe(1);
  expect((await there("cardwire://elsewhere")).find("joined-unknown").level).toBe("fault");
}, 90_000);

test("serve was stopped, is silent, or has a state that is open to others", async () => {
  const state = join(stage.home("computer1", "alice"), "serve");
  await chmod(state, 0o755);
  expect((await doctor([], stage.here())).find("serve-state").remedy).toContain(`chmod 700`);
  await chmod(state, 0o700);
  stage.serve.kill("SIGSTOP");
  const silent = await doctor([], stage.here());
  expect(silent.find("serve-silent").level).toBe("fault");
  stage.serve.kill("SIGCONT");
  stage.serve.kill("SIGINT");
  await stage.serve.exited;
  const stopped = await doctor([], stage.here());
  expect(stopped.find("serve-stopped").what).toContain("1 identity");
  expectTrouble(await there("computer1"), "joined-unreachable", {
    what: /nobody listens there/,
    remedy: /cardwire doctor/,
  });
  await stage.startServe();
}, 90_000);
