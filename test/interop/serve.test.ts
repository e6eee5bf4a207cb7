import { existsSync } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CountingWorker, end, mustHaveNoticedNothing, working } from "../faults/workers.ts";
import { readerNames } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { run, start } from "../lab/programs.ts";
import { attach, cardwire, PATIENCE_MS, using } from "./programs/cardwire.ts";
import { ServeStage } from "./programs/serve-stage.ts";

// alice's computer1 has the readers and runs serve; bob and carol use them from computer2.

let stage: ServeStage;
beforeAll(async () => {
  stage = await ServeStage.open();
});
afterAll(async () => stage[Symbol.asyncDispose]());
beforeEach(async () => stage.startServe());
afterEach(async () => stage.clear());

const COMMAND = ["opensc-tool", "-r", "0", "-s", "80E0000003010203"] as const;
const WORKS = "Received (SW1=0x90, SW2=0x00)";
const running = (...argv: readonly string[]) =>
  cardwire(["run", "computer1", "--", ...(argv.length > 0 ? argv : COMMAND)], stage.there());

test("three commands from nothing to a card on another computer", async () => {
  stage.serve.kill("SIGINT");
  await stage.serve.exited;
  await stage.startServe("--invite", "bob", "--profile", "manage");
  const [token = ""] = /cardwire-1-\S+/.exec(stage.serve.output) ?? [];
  expect(await stage.joining(token)).toMatchObject({
    status: 0,
    stdout: "joined computer1 as bob\n",
  });
  const done = await running();
  expect(done.stdout + done.stderr).toContain(WORKS);
  expect(stage.serve.output).toMatch(/^bob joined from 10\.78\.0\.2$/m);
});

test("private keys are where they belong, and nobody else can read them", async () => {
  await stage.joined("bob");
  const files = {
    [stage.home("computer1", "alice")]: [
      "serve/ca.key",
      "serve/server.key",
      "serve/identities.json",
    ],
    [stage.home("computer2", "bob")]: ["hosts/computer1/key.pem"],
  };
  for (const [folder, names] of Object.entries(files))
    for (const name of names)
      expect([name, (await stat(join(folder, name))).mode & 0o777]).toEqual([name, 0o600]);
  const key = await readFile(
    join(stage.home("computer2", "bob"), "hosts/computer1/key.pem"),
    "utf8",
  );
  const [, line = key] = key.split("\n");
  const state = join(stage.home("computer1", "alice"), "serve");
  const entries = await readdir(state, { withFileTypes: true });
  for (const { name } of entries.filter((entry) => entry.isFile())) // beside the lock
    expect(await readFile(join(state, name), "utf8")).not.toContain(line);
});

test("readers and attach know the host by its name and by its address", async () => {
  await stage.joined("bob");
  for (const where of ["computer1", "cardwire://computer1", "cardwire://10.78.0.1:7816"]) {
    const { stdout } = await cardwire(["readers", where], stage.there());
    expect(stdout).toContain(readerNames[0]);
  }
  await using attached = await attach(["computer1"], stage.there());
  expect(attached.socket).toBe("/run/user/4102/cardwire/computer1/pcscd.comm");
  const done = await run(COMMAND[0], COMMAND.slice(1), {
    ...stage.there(),
    env: using(attached.socket),
  });
  expect(done.stdout + done.stderr).toContain(WORKS);
  const { stdout } = await cardwire(["status", "--json"], stage.there());
  expect(JSON.parse(stdout)).toMatchObject({ sources: [{ state: "up", resumptions: 0 }] });
});

test("somebody sees the readers that he was invited to", async () => {
  await stage.joined("bob", "bob", "--reader", "*00 01");
  const { stdout } = await cardwire(["readers", "computer1"], stage.there());
  expect(stdout).toContain(readerNames[1]);
  expect(stdout).not.toContain(readerNames[0]);
});

/** It is on the record, too, with the address. */
const refusedFor = (reason: string) =>
  stage.untilRecorded(
    "refused",
    (record) => String(record["reason"]).includes(reason) && record["address"] === "10.78.0.2",
  );

describe("is refused", () => {
  test("a token that was used", async () => {
    const token = await stage.invite("bob");
    await stage.joining(token);
    const again = await stage.joining(token, "carol");
    expect(again).toMatchObject({ status: 1, stdout: "" });
    expect(again.stderr).toContain("the card host refuses: the token was used already");
    expect(await readdir(join(stage.home("computer2", "carol"), "hosts"))).toEqual([]);
    await refusedFor("the token was used already");
  });

  test("a token that has expired", async () => {
    const token = await stage.invite("bob", "--expires", "1s");
    await until("the token to expire", async () => {
      const { stdout } = await cardwire(["identities", "--json"], stage.here());
      return stdout === "";
    });
    expect((await stage.joining(token)).stderr).toContain("the token has expired");
    await refusedFor("the token has expired");
  });

  test("half a token, and none of it is printed", async () => {
    const token = (await stage.invite("bob")).trim();
    const done = await stage.joining(token.slice(0, -3));
    expect(done.status).toBe(1);
    expect(done.stderr).toContain("the token is damaged");
    expect(done.stderr).not.toContain(token.slice(20, 40));
  });

  test("a host that was not joined", async () => {
    const done = await cardwire(["readers", "cardwire://computer1"], stage.there());
    expect(done.status).toBe(1);
    expect(done.stderr).toContain("cardwire://computer1 was not joined from here");
  });

  test("who has a certificate of another authority, or none, or TLS 1.2", async () => {
    await stage.joined("bob");
    const base = ["s_client", "-connect", "10.78.0.1:7816", "-alpn", "cardwire-link/1"];
    const tls12 = await run("openssl", [...base, "-tls1_2"], stage.there());
    expect(tls12.stderr).toContain("alert protocol version");
    const none = await run("openssl", [...base, "-quiet", "-ign_eof"], stage.there());
    expect(none.bytes.toString("latin1")).toContain("no certificate was shown");
    const making =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=bob -keyout /tmp/k -out /tmp/c";
    await run("sh", ["-c", making], stage.there());
    const own = ["-cert", "/tmp/c", "-key", "/tmp/k"];
    const foreign = await run("openssl", [...base, "-quiet", "-ign_eof", ...own], stage.there());
    expect(foreign.bytes.toString("latin1")).toContain("the certificate is from another authority");
    expect(stage.serve.output).toMatch(/10\.78\.0\.2 was refused: no certificate was shown/);
    await refusedFor("no certificate was shown");
    await refusedFor("the certificate is from another authority");
    await refusedFor("no handshake: ERR_SSL_UNSUPPORTED_PROTOCOL");
  });

  test("garbage, and who says nothing", async () => {
    const bash =
      "exec 3<>/dev/tcp/10.78.0.1/7816; printf 'GET / HTTP/1.1\\r\\n\\r\\n' >&3; cat <&3; echo ended";
    const garbage = await run("bash", ["-c", bash], { ...stage.there(), timeoutMs: 15_000 });
    expect(garbage.stdout).toContain("ended");
    const silent = await run(
      "bash",
      ["-c", "exec 3<>/dev/tcp/10.78.0.1/7816; cat <&3; echo ended"],
      {
        ...stage.there(),
        timeoutMs: 15_000,
      },
    );
    expect(silent.stdout).toBe("ended\n");
    expect(silent.ms).toBeGreaterThan(8_000);
    await stage.joined("bob"); // and it serves the others
  }, 60_000);
});

test("who is revoked loses his link within a second, and his programs the card", async () => {
  await stage.joined("bob");
  await using attached = await attach(["computer1"], stage.there());
  await cardwire(["revoke", "bob"], stage.here());
  await attached.program.waitForLine(/the readers are gone: the identity bob was revoked/, {
    timeoutMs: 1_000,
  });
  const again = await running();
  expect(again.stderr).toContain("the card host refuses the link: the identity bob was revoked");
  const { stdout } = await cardwire(["identities"], stage.here());
  expect(stdout).toMatch(/^bob +revoked/m);
  // A new invitation lets him in again, with a new key.
  expect((await cardwire(["leave", "computer1"], stage.there())).status).toBe(0);
  expect(existsSync(join(stage.home("computer2", "bob"), "hosts/computer1"))).toBe(false);
  await stage.joined("bob");
  expect((await running()).status).toBe(0);
});

test("a cable that is pulled and put back is noticed by no program", async () => {
  await stage.joined("bob");
  const socket = "/run/tmp/serve.comm"; // which both computers and the lab have in common
  await using attached = await attach(["computer1", "--socket", socket], stage.there());
  const env = using(attached.socket);
  const [reader] = readerNames;
  await using keeps = new CountingWorker(env, { reader, mark: "a1", handle: "keep" }, "bob");
  const workers = [keeps];
  for (let broken = 0; broken < 2; broken += 1) {
    await working(workers);
    await stage.lab.computer1.cut();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await stage.lab.computer1.mend();
  }
  await end(workers);
  mustHaveNoticedNothing(await stage.pcscd.cards[0].log(), workers);
}, 120_000);

test("serve starts anew: who was attached is served again", async () => {
  await stage.joined("bob");
  await using attached = await attach(["computer1"], stage.there());
  stage.serve.kill("SIGKILL");
  await stage.serve.exited;
  await stage.startServe();
  await until("the readers", async () => {
    const done = await run(COMMAND[0], COMMAND.slice(1), {
      ...stage.there(),
      env: using(attached.socket),
    });
    return `${done.stdout}${done.stderr}`.includes(WORKS);
  });
}, 60_000);

test("a full disk is told before the token is used up", async () => {
  const state = "/run/home/carol/.local/state";
  const as = { user: "carol", on: stage.lab.computer2 } as const;
  await run("mkdir", ["-p", state], as);
  const mount = ["-t", "tmpfs", "-o", "size=16k,mode=700,uid=4103,gid=4103", "tmpfs", state];
  await run("mount", mount, { on: stage.lab.computer2 });
  await run("sh", ["-c", `head -c 100000 /dev/zero > ${state}/fill; true`], as);
  const token = await stage.invite("carol");
  const full = await stage.joining(token, "carol");
  expect(full.status).toBe(1);
  expect(full.stderr).toMatch(/no space left for .*key\.pem\nhint: Free some space/);
  expect(await readdir(join(stage.home("computer2", "carol"), "hosts"))).toEqual([]);
  await run("rm", [`${state}/fill`], as);
  expect((await stage.joining(token, "carol")).status).toBe(0);
  await run("umount", [state], { on: stage.lab.computer2 });
});

test("the disk with the record hangs: serve ends all the same, and says what is missing", async () => {
  const log = "/run/tmp/hanging.log";
  stage.serve.kill("SIGINT");
  await stage.serve.exited;
  await stage.startServe("--audit", log);
  // Whoever opens a file that another program has a lease of waits for it, 45 s unless told: fcntl(2).
  const script = [
    "import fcntl, os, signal, sys",
    "signal.signal(signal.SIGIO, signal.SIG_IGN)",
    "os.rename(sys.argv[1], sys.argv[1] + '.1')",
    "file = open(sys.argv[1], 'w')",
    "fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)",
    "print('held', flush=True)",
    "sys.stdin.read()",
  ].join("\n");
  await using holder = start("python3", ["-c", script, log], stage.here());
  await holder.waitForLine(/^held$/);
  await stage.joined("bob");
  await stage.serve.waitForLine(/the audit log cannot be written/, { timeoutMs: PATIENCE_MS });
  stage.serve.kill("SIGTERM");
  expect(await stage.serve.exited).toMatchObject({ signal: "SIGTERM" });
  expect(stage.serve.output).toMatch(/at its end \d+ records were not written/);
  await stage.startServe();
});

test("the card host is away: it is said, or waited for", async () => {
  await stage.joined("bob");
  stage.serve.kill("SIGINT");
  await stage.serve.exited;
  const done = await cardwire(["readers", "computer1"], stage.there());
  expect(done.status).toBe(1);
  expect(done.stderr).toContain("computer1:7816: nobody listens there");
  await using attached = await attach(["computer1", "--wait"], stage.there());
  await stage.startServe();
  await until("the readers", async () => {
    const found = await run("opensc-tool", ["-l"], {
      ...stage.there(),
      env: using(attached.socket),
    });
    return found.stdout.includes(readerNames[0]);
  });
}, 60_000);

test("the port is taken: it is told by whom", async () => {
  const env = { XDG_STATE_HOME: "/run/tmp/another-serve" };
  const second = await cardwire(["serve"], { ...stage.here(), env });
  expect(second.status).toBe(1);
  expect(second.stderr).toContain("port 7816 is in use by process ");
  await rm(env.XDG_STATE_HOME, { recursive: true });
});

test("a second serve with the same state is refused, unless the first was killed", async () => {
  const second = await cardwire(["serve", "--port", "7899"], stage.here());
  expect([second.status, second.stderr]).toEqual([
    1,
    expect.stringMatching(
      /^cardwire: serve runs already \(process \d+\), .*\nhint: 'cardwire status'/,
    ),
  ]);
  stage.serve.kill("SIGKILL");
  await stage.serve.exited;
  await stage.startServe();
});
