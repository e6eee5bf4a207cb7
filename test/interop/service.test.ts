import { dirname } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Pcscd, pcscdArguments, startPcscd } from "../lab/pcscd.ts";
import { signal, until } from "../lab/processes.ts";
import { type RunOptions, run } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { type Systemd, startSystemd } from "../lab/systemd.ts";
import { MAIN, PATIENCE_MS } from "./programs/cardwire.ts";

// Services under a real systemd, the first process of a computer of its own, and a card host behind a real sshd.

let pcscd: Pcscd;
let sshd: Sshd;
let logins: readonly AsyncDisposable[];
let systemd: Systemd;

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  logins = [await sshd.installFor("alice"), await sshd.installFor("root")];
  systemd = await startSystemd();
});
// Whatever a test installed, and whether it passed or not, the next one finds a computer without services.
afterEach(async () => {
  await sshd.start();
  for (const scope of ["--system", "--user"])
    await cardwire(["service", "remove", scope, "cardhost"], {
      user: scope === "--user" ? "alice" : "root",
    });
});
afterAll(async () => {
  await systemd[Symbol.asyncDispose]();
  for (const one of logins) await one[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
});

const SYSTEM_SOCKET = "/run/pcscd/pcscd.comm";
const UNIT = "cardwire-cardhost.service";

/** A cardwire on the computer that systemd runs. */
const cardwire = (args: readonly string[], options: RunOptions = {}) =>
  systemd.run("node", [MAIN, ...args], { timeoutMs: 50_000, ...options });

const install = (...args: readonly string[]) => cardwire(["service", "install", ...args]);

const property = async (name: string, unit = UNIT): Promise<string> =>
  (await systemd.run("systemctl", ["show", "--value", "--property", name, unit])).stdout.trim();

const active = () =>
  until(
    "the service to be ready",
    async () => (await property("ActiveState")) === "active",
    PATIENCE_MS,
  );

const exists = async (path: string): Promise<boolean> =>
  (await systemd.run("test", ["-e", path])).status === 0;

/** Whether a program of that user finds the card host's readers, without any variable. */
const finds = async (user: "root" | "alice" | "bob" | "carol"): Promise<boolean> =>
  (await systemd.run("opensc-tool", ["-l"], { user })).stdout.includes("Virtual PCD 00 00");

/** A command line with all that systemd would replace, split or end. */
const SSH = `ssh -o 'SetEnv=A="%h %% $HOME \\\\ ;"'`;

describe("a service of the system", () => {
  test("runs as its own user, for every program of those who may, until it is removed", async () => {
    const installed = await install(
      "--as",
      "alice",
      "--",
      ..."attach cardhost --system --group cards".split(" "),
    );
    expect(installed).toMatchObject({ status: 0, stderr: "" });
    expect(installed.stdout).toBe(
      `cardhost runs: the readers of cardhost are at ${SYSTEM_SOCKET}\n/etc/systemd/system/${UNIT}\n`,
    );
    expect(await finds("alice")).toBe(true);
    expect(await finds("carol")).toBe(true);
    expect(await finds("bob")).toBe(false);
    const scan = await systemd.run("timeout", ["2", "pcsc_scan", "-r"], { user: "carol" });
    expect(scan.stdout).toContain("Virtual PCD 00 01");

    const pid = await property("MainPID");
    const owner = await systemd.run("stat", ["-c", "%U", `/proc/${pid}`]);
    expect(owner.stdout.trim()).toBe("alice");
    const { stdout } = await cardwire(["service", "status", "--json"]);
    expect(JSON.parse(stdout)).toEqual({
      name: "cardhost",
      scope: "system",
      state: "active",
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      pid: Number(pid),
      enabled: true,
      restarts: 0,
      message: `the readers of cardhost are at ${SYSTEM_SOCKET}`,
    });

    // A pcscd that is started now finds a directory that nobody else can change.
    await systemd.run("systemctl", ["stop", UNIT]);
    expect((await systemd.run("stat", ["-c", "%U %a", "/run/pcscd"])).stdout).toBe("root 755\n");
    const removed = await cardwire(["service", "remove", "cardhost"]);
    expect(removed).toMatchObject({ status: 0, stderr: "" });
    expect(await finds("alice")).toBe(false);
    for (const path of [`/etc/systemd/system/${UNIT}`, "/run/pcscd", "/run/cardwire-cardhost"])
      expect([path, await exists(path)]).toEqual([path, false]);
    expect((await cardwire(["service", "status"])).stderr).toMatch(/^No services\./);
  });

  test("is ready when its socket is there, not before", async () => {
    const socket = "/run/cardwire-cardhost/pcscd.comm";
    signal(sshd.pid, "SIGSTOP"); // it takes connections, and says nothing
    const installing = install("--as", "alice", "--", "attach", "cardhost");
    await until("the service to be started", async () => (await property("MainPID")) !== "0");
    expect(await exists(socket)).toBe(false);
    expect(await property("ActiveState")).toBe("activating");
    signal(sshd.pid, "SIGCONT");
    expect(await installing).toMatchObject({ status: 0, stderr: "" });
    expect(await property("ActiveState")).toBe("active");
    const env = { PCSCLITE_CSOCK_NAME: socket };
    const list = await systemd.run("opensc-tool", ["-l"], { user: "alice", env });
    expect(list.stdout).toContain("Virtual PCD 00 00");
  });

  test("starts although the card host is not there, and goes on trying", async () => {
    await sshd.stop();
    const installed = await install("--as", "alice", "--", "attach", "cardhost", "--system");
    expect(installed.stdout).toMatch(/^cardhost runs: cardhost: not there: .*Connection refused$/m);
    const { stdout } = await systemd.run("opensc-tool", ["-l"], { user: "alice" });
    expect(stdout).toContain("No smart card readers found");
    await sshd.start();
    await until("the readers", () => finds("alice"), PATIENCE_MS);
    expect((await cardwire(["service", "status"])).stdout).toMatch(
      /^cardhost +system +active .* the readers of cardhost are at /m,
    );
  });

  test("one that does not come up shows its own words", async () => {
    const words = ["--as", "alice", "--", "attach", "cardhost", "--ssh", "/no/such/ssh"];
    const installed = await install(...words);
    expect(installed.status).toBe(1);
    expect(installed.stderr).toMatch(/^ {2}cardwire: there is no program \/no\/such\/ssh/m);
    expect(installed.stderr).toMatch(
      /^cardwire: cardhost does not come up\nhint: It goes on trying/m,
    );
    expect((await cardwire(["service", "status"])).stdout).toMatch(
      /^cardhost +system +(activating|waiting to be restarted) .* cardwire: there is no program/m,
    );
  });

  test("tells how its line is", async () => {
    await install("--as", "alice", "--", "attach", "cardhost");
    await active();
    await sshd.stop();
    await until("the break to be told", async () =>
      /^cardhost: (broken|gone): /.test(await property("StatusText")),
    );
    await sshd.start();
    await until("the return to be told", async () =>
      (await property("StatusText")).startsWith("the readers of cardhost are"),
    );
  });

  test("comes back after kill -9, and after a boot at which the card host is not there", async () => {
    await install("--as", "alice", "--", "attach", "cardhost", "--system");
    await active();
    const pid = await property("MainPID");
    await systemd.run("kill", ["-KILL", pid]);
    await until(
      "another process",
      async () => !["0", pid].includes(await property("MainPID")),
      PATIENCE_MS,
    );
    await active();
    expect(await finds("alice")).toBe(true);

    await systemd.halt();
    await sshd.stop();
    await systemd.boot();
    await active();
    expect(await finds("alice")).toBe(false);
    await sshd.start();
    await until("the readers", () => finds("alice"), PATIENCE_MS);
  });

  test.each([
    ["alice", "/run/home/alice/.local/state/cardwire", ["--as", "alice"]],
    ["root", "/var/lib/cardwire", []],
  ] as const)("as %s, serve keeps its keys in %s", async (user, state, as) => {
    const installed = await install(...as, "--", "serve");
    expect(installed).toMatchObject({ status: 0, stderr: "" });
    expect(installed.stdout).toContain("serve runs: ");
    const invited = await cardwire(["invite", "carol", "--address", "127.0.0.1"], { user });
    const joined = await cardwire(["join", "--name", "here"], {
      user: "carol",
      input: invited.stdout,
    });
    expect(joined).toMatchObject({ status: 0, stdout: "joined here as carol\n" });
    const listed = await cardwire(["readers", "here"], {
      user: "carol",
      env: { XDG_RUNTIME_DIR: "" },
    });
    expect([listed.status, listed.stderr]).toEqual([0, "No readers. Plug one in over there.\n"]);
    const keys = await systemd.run("stat", ["--format=%U %a", `${state}/serve/ca.key`]);
    expect(keys.stdout).toBe(`${user} 600\n`);
    await cardwire(["service", "remove", "serve"], { user: "root" });
    await cardwire(["leave", "here"], { user: "carol" });
    await systemd.run("rm", ["-r", state]);
  });

  test("serve lets members of a group in who come by ssh, also where its user is none of them", async () => {
    const installed = await install("--as", "bob", "--", "serve", "--local-group", "cards");
    expect(installed).toMatchObject({ status: 0, stderr: "" });
    const unit = "/etc/systemd/system/cardwire-serve.service";
    const verified = await systemd.run("systemd-analyze", ["verify", unit]);
    expect(verified).toMatchObject({ status: 0, stdout: "", stderr: "" });
    const socket = "/run/cardwire-serve/cardwire/_serve";
    const rights = await systemd.run("stat", ["--format=%U %G %a", dirname(socket), socket]);
    expect(rights.stdout).toBe("bob bob 711\nbob cards 660\n");
    // What somebody hears who connects: a greeting.
    const script = `require("net").connect(process.argv[1]).on("error", (error) => console.log(error.code))
      .once("data", (bytes) => { console.log(String(bytes)); process.exit(); })`;
    const hears = ["node", "-e", script, socket] as const;
    expect((await systemd.run(hears[0], hears.slice(1), { user: "carol" })).stdout).toBe("+\n");
    const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    expect((await systemd.run("setpriv", [...nobody, ...hears])).stdout).toBe("EACCES\n");
    const audit = "/run/home/bob/.local/state/cardwire/serve/audit.log";
    await until("the record", async () =>
      (await systemd.run("cat", [audit])).stdout.includes('"identity":"local:carol"'),
    );
    await cardwire(["service", "remove", "serve"]);
    expect(await exists("/run/cardwire-serve")).toBe(false);
    await systemd.run("rm", ["-r", dirname(dirname(audit))]);
  });

  test("as root, it lets in whom it is told to", async () => {
    const installed = await install("--", ..."attach cardhost --system --group cards".split(" "));
    expect(installed).toMatchObject({ status: 0, stderr: "" });
    expect([await finds("carol"), await finds("bob")]).toEqual([true, false]);
    // Another service of root's may have its sockets beside.
    await cardwire(["service", "remove", "cardhost"]);
    expect([await exists("/run/pcscd"), await exists("/run/cardwire")]).toEqual([false, true]);
  });

  test("wrong usage is not tried again", async () => {
    await install("--as", "alice", "--", "attach", "cardhost");
    await active();
    const override = `[Service]\nExecStart=\nExecStart=/run/node/node ${MAIN} attach --nonsense\n`;
    await systemd.run("systemctl", ["stop", UNIT]);
    await systemd.run("mkdir", [`/etc/systemd/system/${UNIT}.d`]);
    await systemd.run("tee", [`/etc/systemd/system/${UNIT}.d/override.conf`], { input: override });
    await systemd.run("systemctl", ["daemon-reload"]);
    expect((await systemd.run("systemctl", ["start", UNIT])).status).toBe(1);
    expect(await property("ActiveState")).toBe("failed");
    expect(await property("NRestarts")).toBe("0");
    expect((await cardwire(["service", "status"])).stdout).toMatch(/failed .*--nonsense/);
    // What an administrator added goes with the unit.
    await cardwire(["service", "remove", "cardhost"]);
    expect(await exists(`/etc/systemd/system/${UNIT}.d`)).toBe(false);
  });

  test("systemd has nothing to say against the unit, and finds little that it could do harm with", async () => {
    for (const user of [["--as", "alice"], []]) {
      const words = "attach cardhost --system --group cards --ssh".split(" ");
      await install(...user, "--", ...words, SSH);
      const path = `/etc/systemd/system/${UNIT}`;
      const verified = await systemd.run("systemd-analyze", ["verify", path]);
      expect(verified).toMatchObject({ status: 0, stdout: "", stderr: "" });
      const judged = await systemd.run("systemd-analyze", ["security", "--offline=yes", path]);
      const [, level] = /Overall exposure level for \S+: ([\d.]+) /.exec(judged.stdout) ?? [];
      expect(Number(level)).toBeLessThan(2.5);
      // Every character of the command line comes through.
      expect(await property("ActiveState")).toBe("active");
      const command = await systemd.run("cat", [`/proc/${await property("MainPID")}/cmdline`]);
      expect(command.stdout.split("\0")).toContain(SSH);
    }
  });
});

describe("a service that lends", () => {
  test("comes up, and lends again after the other computer was away", async () => {
    const env = { PCSCLITE_CSOCK_NAME: pcscd.socketPath };
    const words = ["service", "install", "--as", "alice", "--", "share", "cardhost"];
    const installed = await cardwire(words, { env });
    expect(installed).toMatchObject({ status: 0, stderr: "" });
    expect(installed.stdout).toMatch(/^share-cardhost runs: /);
    const unit = "cardwire-share-cardhost.service";
    const lends = async () => {
      const { stdout } = await systemd.run("journalctl", ["-u", unit, "-o", "cat"]);
      const [, socket = ""] = /export PCSCLITE_CSOCK_NAME=(\S+)/.exec(stdout) ?? [];
      const there = { user: "bob", env: { PCSCLITE_CSOCK_NAME: socket } } as const;
      return (await run("opensc-tool", ["-l"], there)).stdout.includes("Virtual PCD 00 00");
    };
    await until("the readers over there", lends, PATIENCE_MS);
    await sshd.stop();
    await until("the break to be told", async () =>
      (await property("StatusText", unit)).startsWith("cardhost: "),
    );
    await sshd.start();
    await until("the readers over there again", lends, PATIENCE_MS);
    await until("that to be told", async () =>
      (await property("StatusText", unit)).startsWith("the readers here are lent to cardhost"),
    );
    expect((await cardwire(["service", "remove", "share-cardhost"])).status).toBe(0);
    expect(await lends()).toBe(false);
  });
});

describe("pcscd at the standard path", () => {
  const SOCKET_UNIT = `[Socket]\nListenStream=${SYSTEM_SOCKET}\nSocketMode=0666\n`;

  test("is named with the remedy, and left alone; what it leaves behind is no hindrance", async () => {
    // As in Debian's package.
    await systemd.run("tee", ["/run/systemd/system/pcscd.socket"], { input: SOCKET_UNIT });
    await systemd.run("tee", ["/run/systemd/system/pcscd.service"], {
      input: `[Service]\nExecStart=/usr/sbin/pcscd ${pcscdArguments().join(" ")}\n`,
    });
    await systemd.run("systemctl", ["daemon-reload"]);
    await systemd.run("systemctl", ["start", "pcscd.socket"]);
    for (const refused of [
      await cardwire(["attach", "cardhost", "--system"]),
      await install("--as", "alice", "--", "attach", "cardhost", "--system"),
    ]) {
      expect(refused).toMatchObject({ status: 1, stdout: "" });
      expect(refused.stderr).toBe(
        `cardwire: ${SYSTEM_SOCKET} is in use by process 1 (systemd): pcscd.socket is active\n` +
          "hint: Stop pcscd with 'sudo systemctl disable --now pcscd.socket pcscd.service'; or leave it and attach without --system, with --local if its readers are to be in the same list.\n",
      );
    }
    expect(await exists(`/etc/systemd/system/${UNIT}`)).toBe(false);

    await systemd.run("systemctl", ["disable", "--now", "pcscd.socket", "pcscd.service"]);
    expect(await exists(SYSTEM_SOCKET)).toBe(true);
    await install("--as", "alice", "--", "attach", "cardhost", "--system");
    await active();
    expect(await finds("alice")).toBe(true);
    await systemd.run("rm", [
      "/run/systemd/system/pcscd.socket",
      "/run/systemd/system/pcscd.service",
    ]);
  });
});

describe("a service of a user", () => {
  test("runs in his own service manager", async () => {
    const alice = { user: "alice" } as const;
    const installed = await cardwire(["service", "install", "--", "attach", "cardhost"], alice);
    expect(installed).toMatchObject({ status: 0 });
    expect(installed.stderr).toMatch(/sudo loginctl enable-linger alice$/m);
    const { stdout } = await cardwire(["service", "status", "--json"], alice);
    expect(JSON.parse(stdout)).toMatchObject({ name: "cardhost", scope: "user", state: "active" });
    const env = await cardwire(["env"], alice);
    expect(env.stdout).toBe(
      "export PCSCLITE_CSOCK_NAME=/run/user/4101/cardwire/cardhost/pcscd.comm\n",
    );
    const unit = "/run/home/alice/.config/systemd/user/cardwire-cardhost.service";
    const verified = await systemd.run("systemd-analyze", ["verify", "--user", unit], alice);
    expect(verified).toMatchObject({ status: 0, stdout: "", stderr: "" });

    const removed = await cardwire(["service", "remove", "cardhost"], alice);
    expect(removed.stdout).toBe(`cardhost is removed: ${unit}\n`);
    expect(await exists(unit)).toBe(false);
    const again = await cardwire(["service", "remove", "cardhost"], alice);
    expect(again).toMatchObject({ status: 1, stdout: "" });
    expect(again.stderr).toMatch(/^cardwire: no service is called "cardhost"\nhint: /);
  });
});

describe("a service of a name in the settings file", () => {
  const settings = async (path: string, text: string, user: "root" | "alice"): Promise<void> => {
    const script = 'mkdir -p "${1%/*}"; printf %s "$2" >"$1"';
    await systemd.run("sh", ["-c", script, "sh", path, text], { user });
  };
  const work = '[attach.work]\nwhere = "cardhost"\nmode = "0666"\n';

  test("is called by that name, and follows the file", async () => {
    const alice = { user: "alice" } as const;
    await settings("/run/home/alice/.config/cardwire/config.toml", work, "alice");
    const installed = await cardwire(["service", "install", "--", "attach", "work"], alice);
    expect(installed).toMatchObject({ status: 0 });
    expect(installed.stdout).toMatch(/^work runs: the readers of cardhost are at /);
    const env = await cardwire(["env", "work"], alice);
    const socket = "/run/user/4101/cardwire/work/pcscd.comm";
    expect(env.stdout).toBe(`export PCSCLITE_CSOCK_NAME=${socket}\n`);
    expect((await systemd.run("stat", ["-c", "%a", socket])).stdout).toBe("666\n");
    expect(await cardwire(["service", "remove", "work"], alice)).toMatchObject({ status: 0 });
    await systemd.run("rm", ["-r", "/run/home/alice/.config/cardwire"]);
  });

  test("is not installed for somebody with settings of his own", async () => {
    // An /etc of the test's own, in a mount namespace of its own.
    const script = `
      set -e
      mount -t tmpfs tmpfs /mnt && cp -a /etc/. /mnt/ && mount --bind /mnt /etc && mkdir -p /etc/cardwire
      printf %s "$1" >/etc/cardwire/config.toml
      exec node ${MAIN} service install --as alice -- attach work`;
    const refused = await systemd.run("unshare", ["-m", "sh", "-c", script, "sh", work]);
    expect(refused).toMatchObject({ status: 2, stdout: "" });
    expect(refused.stderr).toMatch(/^cardwire: alice has settings of their own.*\nhint: Write out/);
  });
});

describe("what cannot be a service is refused before anything is written", () => {
  test.each([
    [[], 2, "there is nothing to install"],
    [["--", "readers"], 2, "a service cannot run 'readers'"],
    [["--", "attach"], 2, "WHERE is missing"],
    [["--", "attach", "ftp://x"], 2, '"ftp://x": nothing is known of ftp:'],
    [["--", "attach", "cardhost", "--mod", "0666"], 2, "unknown option '--mod'"],
    [["--", "attach", "cardhost", "--socket", "here"], 2, "here is not an absolute path"],
    [["--", "attach", `unix:${SYSTEM_SOCKET}`, "--system"], 2, "with --system"],
    [["--as", "nobodyatall", "--", "attach", "cardhost"], 1, 'there is no user "nobodyatall" here'],
    [["--user", "--as", "alice", "--", "attach", "cardhost"], 2, "--as is for units of the system"],
    [["--name", "a b", "--", "attach", "cardhost"], 2, '"a b" cannot be the name'],
    [["--", "attach", "cardhost", "--group", "nogroup-x"], 1, 'there is no group "nogroup-x" here'],
  ])("%j", async (args, status, message) => {
    const refused = await install(...args);
    expect(refused).toMatchObject({ status, stdout: "" });
    expect(refused.stderr).toContain(`cardwire: ${message}`);
    expect(refused.stderr).toMatch(/^hint: /m);
    expect((await systemd.run("ls", ["/etc/systemd/system"])).stdout).not.toContain("cardwire-");
  });

  test("a unit of somebody else's stays as it is", async () => {
    const path = `/etc/systemd/system/${UNIT}`;
    const theirs = "[Service]\nExecStart=/bin/true\n";
    await systemd.run("tee", [path], { input: theirs });
    const refused = await install("--", "attach", "cardhost");
    expect(refused).toMatchObject({ status: 1, stdout: "" });
    expect(refused.stderr).toMatch(/is there already, and not cardwire's\nhint: .*--name/);
    expect((await cardwire(["service", "remove", "cardhost"])).status).toBe(1);
    expect((await systemd.run("cat", [path])).stdout).toBe(theirs);
    await systemd.run("rm", [path]);
  });

  test("without systemd, it is said so", async () => {
    const here = await run("node", [MAIN, "service", "install", "--", "attach", "cardhost"]);
    expect(here).toMatchObject({ status: 1, stdout: "" });
    expect(here.stderr).toMatch(/^cardwire: no systemd answers.*\nhint: /);
  });
});
