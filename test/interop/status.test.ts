import { expect, test } from "vitest";
import { delayLine } from "../lab/delay-line.ts";
import { readerNames, startPcscd } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { startSshd } from "../lab/sshd.ts";
import { connected } from "../faults/attached.ts";
import { attach, cardwire } from "./programs/cardwire.ts";

// `cardwire status`, of attachments that run beside it.

const status = async (...args: readonly string[]) => await cardwire(["status", ...args]);

/** The first source of an attachment, as `--json` has it. */
async function source(name: string) {
  const { stdout } = await status(name, "--json");
  const { sources } = JSON.parse(stdout) as { sources: readonly Record<string, unknown>[] };
  return sources[0] ?? {};
}

test("an agent's: the line, its round trip, breaks, and what waits", async () => {
  await using pcscd = await startPcscd();
  await using sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  await using line = await delayLine({ port: sshd.port, delayMs: 10 });
  const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
  const far = ["cardhost", "--name", "far", "--ssh", `ssh -F ${config}`, "--via", "agent"];
  await using attached = await attach(far);
  const env = { PCSCLITE_CSOCK_NAME: attached.socket };
  await using program = await connected({ env }, readerNames[0]);

  const { stdout } = await status();
  expect(stdout).toMatch(/^far \(process \d+\) at \S+: 1 program connected$/m);
  expect(stdout).toMatch(
    /^ {2}cardhost: up, through an agent \(cardwire [\d.]+, pcscd protocol 4:\d, sent from here\), \d+\.\d ms round trip, resumed 0 times, 2 readers, 1 card$/m,
  );
  expect(Number((await source("far"))["roundTripMs"])).toBeGreaterThan(20);

  await line.cut();
  await until("the line is back", async () => (await source("far"))["resumptions"] === 1);
  expect(await source("far")).toMatchObject({ state: "up", waiting: 0 });

  await line.cut({ stayDown: true });
  await until("the break is seen", async () => (await source("far"))["state"] === "broken");
  const asked = program.call("begin");
  const sent = program.call("transmit", { apdu: "80e80000021234" });
  await until("a call waits", async () => (await source("far"))["waiting"] === 1);
  expect((await status("far")).stdout).toMatch(
    /broken, programs wait .*, 1 call waiting, \d+ messages? to be sent/,
  );
  line.resume();
  expect([(await asked).rv, (await sent).rv]).toEqual(["0x00000000", "0x00000000"]);
  await until("nothing waits", async () => (await source("far"))["waiting"] === 0);
});

test("a forward's, and those of several attachments", async () => {
  await using pcscd = await startPcscd();
  await using sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  const ssh = ["--ssh", `ssh -F ${sshd.clientConfig}`, "--via", "forward"];
  await using _far = await attach(["cardhost", "--name", "far", ...ssh]);
  await using near = await attach([`unix:${pcscd.socketPath}`, "--name", "near"]);
  const { stdout } = await status();
  expect(stdout).toMatch(
    /cardhost: up, through a forward \(pcscd protocol 4:\d\), \d+\.\d ms round trip, 2 readers, 1 card$/m,
  );
  expect(stdout).toMatch(/unix:\S+: up, pcscd protocol 4:\d/m);
  expect(stdout.split("\n").filter((text) => /^\S/.test(text))).toHaveLength(2);

  near.program.kill("SIGSTOP");
  const { stdout: hung } = await status("near");
  near.program.kill("SIGCONT");
  expect(hung).toMatch(/^near \(process \d+\) at \S+\n {2}does not answer$/m);
});

test("nothing runs, or nothing of that name", async () => {
  const { status: exit, stderr } = await status();
  expect([exit, stderr]).toEqual([
    1,
    "cardwire: no attachment is running\nhint: Start one with 'cardwire attach HOST'.\n",
  ]);
  await using pcscd = await startPcscd();
  await using _near = await attach([`unix:${pcscd.socketPath}`, "--name", "near"]);
  const other = await status("far");
  expect(other.stderr).toBe(
    "cardwire: no attachment is called far\nhint: These are running: near.\n",
  );
});
