import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { everywhere, type RunOptions, run } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { users } from "../lab/users.ts";
import { attach, cardwire, leftIn, MAIN, RUNTIME, share, using } from "./programs/cardwire.ts";

// alice's config.toml, with a real ssh, sshd and pcscd behind the names in it.

// A forward: what an agent makes different is in agent.test.ts and what it names.
everywhere["CARDWIRE_VIA"] = "forward";

let pcscd: Pcscd;
let sshd: Sshd;
let installed: AsyncDisposable;
/** alice's XDG_CONFIG_HOME. */
let home: string;
let file: string;

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  installed = await sshd.installFor("alice");
  home = await mkdtemp("/run/tmp/config-");
  await mkdir(join(home, "cardwire"));
  await run("chown", ["-R", "alice", home]);
  file = join(home, "cardwire/config.toml");
});
beforeEach(async () => {
  await rm(file, { force: true });
});
afterEach(async () => {
  const left = await leftIn(RUNTIME);
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
});
afterAll(async () => {
  await installed[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
});

async function write(text: string, mode = 0o600): Promise<void> {
  await writeFile(file, text);
  await chown(file, users.alice.uid, users.alice.gid);
  await chmod(file, mode);
}

const env = () => ({ XDG_CONFIG_HOME: home });
const alice = (args: readonly string[], options: RunOptions = {}) =>
  cardwire(args, { ...options, env: { ...env(), ...options.env } });
const local = () => `unix:${pcscd.socketPath}`;

describe("a name", () => {
  test("stands for a host and its options; the command line goes before them", async () => {
    const socket = join(home, "work.comm");
    await write(`[attach.work]\nwhere = "cardhost"\nsocket = "${socket}"\nmode = "0640"\n`);
    {
      await using attached = await attach(["work"], { env: env() });
      expect(attached.socket).toBe(socket);
      expect(attached.program.output).toContain("cardwire env work");
      expect((await run("stat", ["-c", "%a", socket])).stdout).toBe("640\n");
      const said = await alice(["env", "work"]);
      expect(said.stdout).toBe(`export PCSCLITE_CSOCK_NAME=${socket}\n`);
    }
    await using attached = await attach(["work", "--mode", "0600", "--name", "other"], {
      env: env(),
    });
    expect((await run("stat", ["-c", "%a", socket])).stdout).toBe("600\n");
    expect((await alice(["env", "other", "--json"])).stdout).toContain(socket);
    expect(attached.program.output).toContain("cardwire env other");
  });

  test("serves run and readers, too, as far as they have the options", async () => {
    await write(`[attach.work]\nwhere = ["${local()}"]\nname = "unused"\nmode = "0666"\n`);
    const ran = await alice(["run", "work", "--", "pcsc_scan", "-r"]);
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toContain("Virtual PCD 00 00");
    const listed = await alice(["readers", "work"]);
    expect(listed).toMatchObject({ status: 0, stderr: "" });
    expect(listed.stdout).toContain("Virtual PCD 00 01");
  });

  test("has an ssh of its own, and CARDWIRE_SSH goes before it", async () => {
    const config = await sshd.configWith(["HostName 127.0.0.1"]);
    await write(`[attach.work]\nwhere = "somewhere"\nssh = "ssh -F /nonexistent"\n`);
    const failed = await alice(["readers", "work"]);
    expect(failed.stderr).toContain("/nonexistent");
    const ssh = { CARDWIRE_SSH: `ssh -F ${config}` };
    await write(`[attach.work]\nwhere = "cardhost"\nssh = "ssh -F /nonexistent"\n`);
    expect(await alice(["readers", "work"], { env: ssh })).toMatchObject({ status: 0 });
  });

  test("may stand for several hosts, and for this computer", async () => {
    await write(`[attach.all]\nwhere = ["cardhost", "${local()}"]\nfirst = ["*00 01*"]\n`);
    await using attached = await attach(["all"], { env: env() });
    const listed = await run("opensc-tool", ["-l"], { user: "alice", env: using(attached.socket) });
    expect(listed.stdout.match(/Virtual PCD/g)).toHaveLength(4);
    expect((await alice(["env", "all", "--json"])).status).toBe(0);
    // One that is named beside another WHERE is a host.
    const two = await alice(["readers", "all", "ssh://cardhost"]);
    expect(`${two.stdout}${two.stderr}`).toMatch(/all/);
    await write("[attach.here]\nlocal = true\n");
    expect((await alice(["readers", "here"])).stderr).toContain("/run/pcscd/pcscd.comm");
  });

  test("of a share stands for the other computer and for what is lent", async () => {
    await using bare = await startSshd();
    const config = await bare.configWith([]);
    await write(
      `[share.lab]\nto = "cardhost"\nreaders = ["*00 01"]\nname = "lent"\nssh = "ssh -F ${config}"\n`,
    );
    await using shared = await share(["lab"], { env: { ...env(), ...using(pcscd.socketPath) } });
    expect(shared.socket).toBe(`/tmp/cardwire-${users.bob.uid}/lent/pcscd.comm`);
    const seen = await run("opensc-tool", ["-l"], { user: "bob", env: using(shared.socket) });
    expect(seen.stdout).toContain("00 01");
    expect(seen.stdout).not.toContain("00 00");
  });

  test("goes before a host that is called the same; that one is reached as ssh://", async () => {
    await write(`[attach.cardhost]\nwhere = "nosuchhost.invalid"\n`);
    expect((await alice(["readers", "cardhost"])).stderr).toContain("nosuchhost.invalid");
    expect(await alice(["readers", "ssh://cardhost"])).toMatchObject({ status: 0, stderr: "" });
  });

  test("that is none is a host", async () => {
    await write('[attach.other]\nwhere = "h"\n[share.cardhost]\nto = "elsewhere"\n');
    expect(await alice(["readers", "cardhost"])).toMatchObject({ status: 0, stderr: "" });
  });
});

describe("a broken file", () => {
  const NOT_TOML = '[attach.work]\nwhere = "cardhost\n';

  test("stops nobody who needs nothing of it", async () => {
    await write(NOT_TOML);
    for (const where of [local(), "ssh://cardhost", "bob@cardhost"])
      expect(await alice(["readers", where])).toMatchObject({ status: 0, stderr: "" });
    await using _attached = await attach([local()], { env: env() });
    expect(await alice(["env"])).toMatchObject({ status: 0 });
    // A mistake elsewhere in it.
    await write(`[attach.work]\nwhere = "${local()}"\n[attach.bad]\nmod = 1\n[nothing]\n`);
    expect(await alice(["readers", "work"])).toMatchObject({ status: 0, stderr: "" });
    expect(await alice(["readers", "cardhost"])).toMatchObject({ status: 0, stderr: "" });
  });

  test("is told to whoever gives a name", async () => {
    await write(NOT_TOML);
    const done = await alice(["readers", "cardhost"]);
    expect(done).toMatchObject({ status: 1, stdout: "" });
    expect(done.stderr).toMatch(/^cardwire: \S+config\.toml:2:\d+: not TOML: .*\nhint: .*\n$/);
    expect(done.stderr).toContain("A host called cardhost is ssh://cardhost.");
  });

  test("is told with all that is wrong with the name", async () => {
    await write('[attach.work]\nwhere = "cardhost"\nmod = "0660"\nslots = 17\n');
    const { status, stderr } = await alice(["attach", "work"]);
    expect(status).toBe(1);
    expect(stderr.split("\n")).toEqual([
      "cardwire: 2 mistakes in the settings file",
      `${file}:3:1: attach has no setting "mod"; did you mean mode?`,
      `${file}:4:1: slots cannot be "17"; allowed choices are 16, 48`,
      expect.stringMatching(/^hint: .*config check/),
      "",
    ]);
  });

  test("of many hosts does not fit a command that takes one", async () => {
    await write('[share.lab]\nto = ["a", "b"]\n');
    const { status, stderr } = await alice(["share", "lab"]);
    expect(status).toBe(1);
    expect(stderr).toContain("config.toml:2:1: to cannot be");
  });
});

describe("config check", () => {
  test("says where the file would be", async () => {
    const done = await alice(["config", "check"]);
    expect(done).toMatchObject({ status: 0, stdout: "" });
    expect(done.stderr).toContain(file);
    expect((await alice(["config", "path"])).stdout).toBe(`${file}\n`);
    expect(JSON.parse((await alice(["config", "check", "--json"])).stdout)).toEqual({
      file,
      exists: false,
      ok: true,
      problems: [],
      options: 0,
      rules: 0,
      limits: 0,
      readers: 0,
      defined: [],
    });
  });

  test("tells what is defined", async () => {
    await write('[attach.work]\nwhere = ["a", "b"]\n[share.lab]\nto = "c"\n');
    const done = await alice(["config", "check"]);
    expect(done).toMatchObject({ status: 0, stderr: "" });
    expect(done.stdout).toBe(`${file}\n  cardwire attach work  a b\n  cardwire share lab    c\n`);
  });

  test("tells how much there is of serve, and tries the rules", async () => {
    const rule = '[[serve.rule]]\nverdict = "deny"\nidentities = "bob"\nins = 0xb0\n';
    await write(rule);
    expect((await alice(["config", "check"])).stdout).toBe(`${file}\n  cardwire serve  1 rule\n`);
    await write(
      `[serve]\nport = 1\nprofile = "look"\n${rule}${rule}[[serve.limit]]\nlink-limit = 1\n`,
    );
    expect((await alice(["config", "check"])).stdout).toBe(
      `${file}\n  cardwire serve  2 options, 2 rules, 1 table of limits\n`,
    );
    await write(rule);
    const tried = (name: string) => alice(["policy", "test", "--as", name, "00b0000000"]);
    expect((await tried("bob")).stdout).toBe(
      "denied  00b00000 + 1  READ BINARY: denied by rule 1\n",
    );
    expect((await tried("carol")).stdout).toMatch(/^allowed/);
    await write(`${rule}p3 = 1\n`);
    expect(await tried("carol")).toMatchObject({ status: 1, stdout: "" });
  });

  test("tells every mistake, to scripts as well", async () => {
    await write('[attach.work]\nwhere = 5\n\n[share.lab]\nreaders = true\n"to" = "h"\n');
    const done = await alice(["config", "check"]);
    expect(done).toMatchObject({ status: 1, stdout: "" });
    expect(done.stderr).toContain(`${file}:2:1: where cannot be 5`);
    expect(done.stderr).toContain(`${file}:5:1: readers cannot be true`);
    const json = await alice(["config", "check", "--json"]);
    expect(json.status).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      problems: [
        { line: 2, column: 1, path: ["attach", "work", "where"] },
        { line: 5, column: 1, path: ["share", "lab", "readers"] },
      ],
    });
  });

  test("warns of a file that others can change", async () => {
    await write('[attach.work]\nwhere = "h"\n', 0o666);
    const done = await alice(["config", "check"]);
    expect(done.status).toBe(0);
    expect(done.stderr).toContain("chmod go-w");
    expect(JSON.parse((await alice(["config", "check", "--json"])).stdout)).toMatchObject({
      warning: expect.stringContaining("chmod go-w"),
    });
  });

  test("says what keeps it from reading the file", async () => {
    await write("", 0o000);
    expect((await alice(["config", "check"])).stderr).toMatch(/cannot be read: EACCES\nhint: /);
    await rm(file);
    await mkdir(file);
    expect((await alice(["config", "check"])).stderr).toContain("is not a file");
    await rm(file, { recursive: true });
  });

  test("reads root's in /etc, whatever the variables say", async () => {
    // An /etc of the test's own, in a mount namespace of its own.
    const script = `
      set -e
      mount -t tmpfs tmpfs /mnt && cp -a /etc/. /mnt/ && mount --bind /mnt /etc && mkdir -p /etc/cardwire
      printf '[attach.machine]\\nwhere = "h"\\n' >/etc/cardwire/config.toml
      exec node ${MAIN} config check`;
    const done = await run("unshare", ["-m", "sh", "-c", script], { env: env() });
    expect(done).toMatchObject({ status: 0, stderr: "" });
    expect(done.stdout).toBe("/etc/cardwire/config.toml\n  cardwire attach machine  h\n");
  });
});
