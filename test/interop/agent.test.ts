import { rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { keepers } from "../faults/keepers.ts";
import { readerNames, startPcscd } from "../lab/pcscd.ts";
import { publicDirectory, signal, until } from "../lab/processes.ts";
import { PATH, run } from "../lab/programs.ts";
import { startSshd, type SshdOptions } from "../lab/sshd.ts";
import { suite } from "../lab/suites.ts";
import { attach, cardwire, leftIn, MAIN, RUNTIME, sshMasters, using } from "./programs/cardwire.ts";

// An agent at the other end of ssh, on hosts of several kinds.

const CARD = { timeoutMs: 30_000, user: "alice" } as const;

/** A host with a card, and what attach says of the way there. */
async function host(options: SshdOptions = {}) {
  const pcscd = await startPcscd();
  const sshd = await startSshd({ pcscdDirectory: pcscd.directory, ...options });
  const far = ["cardhost", "--ssh", `ssh -F ${sshd.clientConfig}`];
  return {
    pcscd,
    sshd,
    far,
    /** Attaches, lets a program list the readers, and detaches. */
    async use(...flags: readonly string[]) {
      await using attached = await attach([...far, ...flags]);
      const env = using(attached.socket);
      const listed = await run("opensc-tool", ["-l"], { ...CARD, env });
      return { said: attached.program.output, listed: listed.stdout, agents: await keepers() };
    },
    async [Symbol.asyncDispose]() {
      await sshd[Symbol.asyncDispose]();
      await pcscd[Symbol.asyncDispose]();
    },
  };
}

/** A folder for PATH with one program in it. */
async function programFolder(name: string, target: string) {
  const path = await publicDirectory("programs");
  await symlink(target, join(path, name));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

async function nothingIsLeft(): Promise<void> {
  await until("no keeper is left", async () => (await keepers()).length === 0);
  expect(await sshMasters()).toEqual([]);
  expect(await leftIn(RUNTIME)).toEqual([]);
}

describe("is sent from here", () => {
  test.each([
    ["a host with this computer's Node.js", {}],
    ["a host where sshd forbids forwards", { config: ["AllowStreamLocalForwarding no"] }],
    ["a host whose shell greets", { env: { ENV: "/etc/motd" } }],
  ] as const)("%s", async (_, options) => {
    await using there = await host(options);
    const { said, listed, agents } = await there.use("--via", "auto");
    expect(said).toMatch(/cardwire [\d.]+, pcscd protocol 4:\d, sent from here/);
    expect(/forbids forwards/.test(said)).toBe("config" in options);
    expect(listed).toContain(readerNames[0]);
    expect(agents).toHaveLength(1);
    await nothingIsLeft();
  });

  test("a host with Debian 12's Node.js 18 and nothing else", async () => {
    await using there = await host({ root: suite("node18").root });
    const { said, listed } = await there.use("--via", "agent");
    expect(said).toMatch(/sent from here/);
    expect(listed).toContain(readerNames[0]);
    await nothingIsLeft();
  });
});

test("a cardwire that is installed there is the agent", async () => {
  await using folder = await programFolder("cardwire", MAIN);
  await using there = await host({ config: [`SetEnv PATH=${folder.path}:${PATH}`] });
  const { said, listed, agents } = await there.use("--via", "agent");
  expect(said).toMatch(/cardwire [\d.]+, pcscd protocol 4:\d/);
  expect(said).not.toMatch(/sent from here/);
  expect(listed).toContain(readerNames[0]);
  expect(agents).toHaveLength(1);
  await nothingIsLeft();
});

test("one that is too old for it is passed over", async () => {
  await using folder = await programFolder("cardwire", "/bin/false");
  await using there = await host({ config: [`SetEnv PATH=${folder.path}:${PATH}`] });
  const { said, listed } = await there.use("--via", "auto");
  expect(said).toMatch(/sent from here/);
  expect(listed).toContain(readerNames[0]);
  await nothingIsLeft();
});

describe("a host without Node.js", () => {
  test("a forward serves, and attach says why", async () => {
    await using there = await host({ root: suite("bullseye").root });
    const { said, listed } = await there.use("--via", "auto");
    expect(said).toMatch(/no cardwire is installed there, and no Node\.js is there/);
    expect(listed).toContain(readerNames[0]);
    await nothingIsLeft();
  });

  test("whoever insists on an agent is told", async () => {
    await using there = await host({ root: suite("bullseye").root });
    const { status, stderr } = await cardwire(["attach", ...there.far, "--via", "agent"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /no agent can run on cardhost: no cardwire is installed there, and no N/,
    );
    expect(stderr).toMatch(/hint: Install cardwire or Node\.js 18 there/);
    await nothingIsLeft();
  });

  test("nor does a Node.js that is not where somebody says", async () => {
    await using there = await host();
    const far = ["attach", ...there.far, "--via", "auto", "--remote-node", "/opt/none"];
    const { status, stderr } = await cardwire(far);
    expect(status).toBe(1);
    expect(stderr).toMatch(/\/opt\/none is no Node\.js there/);
    await nothingIsLeft();
  });
});

describe("somebody ends", () => {
  test("the agent: the readers come back with another one", async () => {
    await using there = await host();
    {
      await using attached = await attach([...there.far, "--via", "agent"]);
      const [pid] = await keepers();
      signal(pid ?? 0, "SIGKILL");
      await until("there is another agent", async () => {
        const [now] = await keepers();
        return now !== undefined && now !== pid;
      });
      await until("the readers are back", async () => {
        const { stdout } = await run("opensc-tool", ["-l"], {
          ...CARD,
          env: using(attached.socket),
        });
        return stdout.includes(readerNames[0]);
      });
    }
    await nothingIsLeft();
  });

  test("cardwire here, by force: the agent ends after the grace time", async () => {
    await using there = await host();
    await using attached = await attach([...there.far, "--via", "agent", "--grace", "2"]);
    expect(await keepers()).toHaveLength(1);
    attached.program.kill("SIGKILL");
    await attached.program.exited;
    await until("the agent to end", async () => (await keepers()).length === 0, 20_000);
  });
});

test("an absent pcscd is told as over a forward", async () => {
  await using there = await host();
  await there.pcscd[Symbol.asyncDispose]();
  const told = await Promise.all(
    ["agent", "forward"].map(async (via) => {
      const { stderr } = await cardwire(["attach", ...there.far, "--name", via, "--via", via]);
      return stderr;
    }),
  );
  expect(told[0]).toContain("cardhost");
  expect(told[0]?.split("\n")[0]).toBe(told[1]?.split("\n")[0]);
});

test("a host that is not there yet: its agent is started when it is", async () => {
  await using there = await host();
  await there.sshd.stop();
  {
    await using attached = await attach([...there.far, "--via", "auto", "--wait"]);
    expect(attached.program.output).toMatch(/cardhost/);
    expect(await keepers()).toEqual([]);
    await there.sshd.start();
    await attached.program.waitForLine(/cardhost: the readers are here/, { timeoutMs: 30_000 });
    const env = using(attached.socket);
    const { stdout } = await run("opensc-tool", ["-l"], { ...CARD, env });
    expect(stdout).toContain(readerNames[0]);
    expect(await keepers()).toHaveLength(1);
  }
  await nothingIsLeft();
}, 90_000);
