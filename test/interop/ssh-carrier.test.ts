import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Carrier } from "../../src/carriers/carrier.ts";
import { type SshCarrierOptions, sshCarrier } from "../../src/carriers/ssh/carrier.ts";
import { signal as kill, processes, publicDirectory, until } from "../lab/processes.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { everywhere } from "../lab/programs.ts";

// A forward: what an agent makes different is in agent.test.ts and what it names.
everywhere["CARDWIRE_VIA"] = "forward";

let sshd: Sshd;
/** Where the sockets of the card host are. */
let far: string;
let directory: string;
let servers: Server[];

beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd[Symbol.asyncDispose]());
beforeEach(async () => {
  servers = [];
  far = await publicDirectory("far");
  directory = await mkdtemp(join(tmpdir(), "near-"));
});
afterEach(async () => {
  await sshd.start();
  for (const server of servers) server.close();
  await rm(far, { recursive: true, force: true });
  await rm(directory, { recursive: true, force: true });
});

const limit = () => AbortSignal.timeout(20_000);

/** Listens on the card host, for everybody, as pcscd does. */
async function listen(take: (socket: Socket) => void, name = "pcscd.comm"): Promise<string> {
  const path = join(far, name);
  const server = createServer((socket) => take(socket.on("error", () => {}))).listen(path);
  servers.push(server);
  await once(server, "listening");
  chmodSync(path, 0o666);
  return path;
}

const echo = () => listen((socket) => socket.pipe(socket));

const carrier = (remoteSocket: string, more: Partial<SshCarrierOptions> = {}): Promise<Carrier> =>
  sshCarrier({
    destination: "cardhost",
    remoteSocket,
    ssh: ["ssh", "-F", sshd.clientConfig],
    directory,
    canAsk: false,
    canAskAgain: false,
    signal: limit(),
    ...more,
  });

async function answers(line: Carrier): Promise<Socket> {
  const stream = await line.open({ signal: limit() });
  const heard = once(stream, "data");
  stream.write("hello");
  expect(String(await heard)).toBe("hello");
  return stream;
}

/** The masters that have their control socket in our directory. */
async function masters(): Promise<readonly number[]> {
  const found = await Promise.all(
    (await processes()).map(async ({ pid }) => {
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      return line.includes("\0-M\0") && line.includes(directory) ? [pid] : [];
    }),
  );
  return found.flat();
}

describe("the carrier over ssh", () => {
  test("carries streams, and leaves neither process nor file", async () => {
    const line = await carrier(await echo());
    expect(line.line.value).toEqual({ up: true });
    const streams = await Promise.all([answers(line), answers(line), answers(line)]);
    expect(await masters()).toHaveLength(1);
    await line[Symbol.asyncDispose]();
    expect(streams.map(({ destroyed }) => destroyed)).toEqual([true, true, true]);
    expect(await masters()).toEqual([]);
    expect(await readdir(directory)).toEqual([]);
    await expect(line.open({ signal: limit() })).rejects.toMatchObject({ code: "E_CLOSED" });
  });

  test("brings the line up again when ssh dies", async () => {
    await using line = await carrier(await echo());
    const stream = await answers(line);
    const closed = once(stream, "close");
    const [master = 0] = await masters();
    kill(master, "SIGKILL");
    await closed;
    await answers(line);
    expect(await masters()).not.toContain(master);
  });

  test("waits while the other computer is away, and says why", async () => {
    await using line = await carrier(await echo());
    await sshd.stop();
    const reason = await until("the reason", () => {
      const now = line.line.value;
      return !now.up && now.reason.includes("refused") && now.reason;
    });
    expect(reason).toMatch(/^ssh to cardhost: .*Connection refused$/);
    expect(await line.explainSilence({ signal: limit() })).toMatchObject({ code: "E_LINE_DOWN" });
    const waiting = answers(line);
    await sshd.start();
    await waiting;
  });

  test("starts without the other computer when it is told to keep trying", async () => {
    const path = await echo();
    await sshd.stop();
    await expect(carrier(path)).rejects.toMatchObject({ code: "E_SSH_UNREACHABLE" });
    await using line = await carrier(path, { keepTrying: true });
    expect(line.line.value).toEqual({
      up: false,
      reason: expect.stringMatching(/Connection refused$/),
      error: expect.objectContaining({ code: "E_SSH_UNREACHABLE" }),
    });
    const waiting = answers(line);
    await sshd.start();
    await waiting;
    const nowhere = carrier(path, { keepTrying: true, ssh: ["no-such-ssh"] });
    await expect(nowhere).rejects.toMatchObject({ code: "E_NO_SSH" });
  });

  test("opening ends with its signal while the line is down", async () => {
    await using line = await carrier(await echo());
    await sshd.stop();
    await until("the line to break", () => !line.line.value.up);
    const stop = new AbortController();
    const opening = line.open({ signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(opening).rejects.toThrow("enough");
  });

  test("is ended even when ssh hangs", async () => {
    const line = await carrier(await echo());
    const [master = 0] = await masters();
    kill(master, "SIGSTOP");
    await line[Symbol.asyncDispose]();
    expect(await masters()).toEqual([]);
  });

  test("keeps its ssh as long as it lives, and no longer, even after kill -9", async () => {
    const source = new URL("../../src/carriers/ssh/carrier.ts", import.meta.url).href;
    // What the user's ssh command says first holds: one second instead of our five.
    const ssh = ["ssh", "-F", sshd.clientConfig, "-o", "ControlPersist=1"];
    const options = { destination: "cardhost", remoteSocket: await echo(), ssh, directory };
    const script = `
      const { sshCarrier } = await import(${JSON.stringify(source)});
      const asking = { canAsk: false, canAskAgain: false, signal: new AbortController().signal };
      await sshCarrier({ ...${JSON.stringify(options)}, ...asking });
      console.log("up");`;
    const args = ["--import", "tsx", "--input-type=module", "-e", script];
    const owner = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    await once(owner.stdout, "data");
    const [master] = await masters();
    await delay(3_000); // three times what an ssh that nobody holds would live
    expect(await masters()).toEqual([master]);
    owner.kill("SIGKILL");
    await until("ssh to end by itself", async () => (await masters()).length === 0);
    // The next one sweeps what was left.
    await using _line = await carrier(options.remoteSocket);
    expect(await readdir(directory)).toHaveLength(1);
  });

  test("takes nothing from the user's configuration that is for his own sessions", async () => {
    const stolen = join(directory, "stolen");
    const config = await sshd.configWith([
      `LocalForward ${stolen} ${far}/pcscd.comm`,
      `ControlPath ${directory}/theirs`,
      "ControlMaster auto",
      "ControlPersist no",
      "RemoteCommand echo no",
      "RequestTTY force",
      "PermitLocalCommand yes",
      `LocalCommand touch ${directory}/ran`,
      "LogLevel QUIET",
      "SessionType default",
    ]);
    await using line = await carrier(await echo(), { ssh: ["ssh", "-F", config] });
    await answers(line);
    for (const name of ["stolen", "theirs", "ran"]) {
      expect(existsSync(join(directory, name))).toBe(false);
    }
  });

  test("uses another place when the path gets too long for ssh", async () => {
    const deep = await mkdtemp(join(directory, "d".repeat(60)));
    await using line = await carrier(await echo(), { directory: deep });
    await answers(line);
    expect(await readdir(deep)).toEqual([]);
  });

  test("an abort ends a start that hangs", async () => {
    const stop = new AbortController();
    const config = await sshd.configWith(["ProxyCommand sleep 60"]);
    const starting = carrier(join(far, "s"), { ssh: ["ssh", "-F", config], signal: stop.signal });
    await until("ssh to run", async () => (await masters()).length === 1);
    stop.abort(new Error("enough"));
    await expect(starting).rejects.toThrow("enough");
    expect(await masters()).toEqual([]);
    expect(await readdir(directory)).toEqual([]);
  });

  test("passes on what ssh says although it succeeds", async () => {
    const notices: string[] = [];
    const config = await sshd.configWith(["IdentityFile /nonexistent/key"]);
    const notice = (text: string) => void notices.push(text);
    await using _line = await carrier(await echo(), { ssh: ["ssh", "-F", config], notice });
    expect(notices.join("\n")).toContain("/nonexistent/key");
  });
});

describe("a start that fails says why", () => {
  test.each([
    ["no such host", { destination: "nosuchhost.invalid" }, [], "E_SSH_HOST"],
    ["login refused", {}, ["PubkeyAuthentication no"], "E_SSH_AUTH"],
    ["unknown host key", {}, ["HostKeyAlias stranger"], "E_SSH_HOST_KEY"],
    ["nobody at the port", {}, ["Port 1"], "E_SSH_UNREACHABLE"],
    ["a proxy that fails", {}, ["ProxyCommand false"], "E_SSH_UNREACHABLE"],
    ["a mistake in the file", {}, ["Bogus yes"], "E_SSH_CONFIG"],
    ["an option in place of a host", { destination: "-v" }, [], "E_WHERE"],
  ])("%s", async (_what, more, lines, code) => {
    const ssh = ["ssh", "-F", await sshd.configWith(lines)];
    await expect(carrier(join(far, "s"), { ssh, ...more })).rejects.toMatchObject({ code });
    expect(await readdir(directory)).toEqual([]);
  });

  test.each([
    ["an unknown option", ["ssh", "-Z"], "E_SSH_CONFIG"],
    ["no ssh", ["/nonexistent/ssh"], "E_NO_SSH"],
  ])("%s", async (_what, ssh, code) => {
    await expect(carrier(join(far, "s"), { ssh })).rejects.toMatchObject({ code });
  });

  test("a host key that changed", async () => {
    const known = join(directory, "known_hosts");
    await using other = await startSshd();
    const theirs = await readFile(join(other.directory, "known_hosts"), "utf8");
    await writeFile(known, theirs);
    const config = await sshd.configWith([`UserKnownHostsFile ${known}`]);
    await expect(carrier(join(far, "s"), { ssh: ["ssh", "-F", config] })).rejects.toMatchObject({
      code: "E_SSH_HOST_KEY",
      hint: expect.stringMatching(/ssh-keygen .*-R "?cardhost"?/),
    });
  });
});

describe("silence over there is explained", () => {
  const explained = async (line: Carrier) => await line.explainSilence({ signal: limit() });

  test("no socket", async () => {
    await using line = await carrier(join(far, "pcscd.comm"));
    expect(await explained(line)).toMatchObject({ code: "E_NO_PCSCD" });
  });

  test("nobody listens", async () => {
    const path = join(far, "dead");
    const leave = `require("net").createServer().listen(process.argv[1], () => {
      require("fs").chmodSync(process.argv[1], 0o666); process.kill(process.pid, 9); })`;
    await once(spawn(process.execPath, ["-e", leave, path]), "exit");
    await using line = await carrier(path);
    expect(await explained(line)).toMatchObject({
      code: "E_NO_PCSCD",
      message: `nobody listens at ${path} on cardhost`,
    });
  });

  test("no right to the socket", async () => {
    const path = await echo();
    chmodSync(path, 0o600);
    await using line = await carrier(path);
    expect(await explained(line)).toMatchObject({ code: "E_SOCKET_DENIED" });
  });

  test("pcscd hangs up", async () => {
    await using line = await carrier(await listen((socket) => socket.destroy()));
    expect(await explained(line)).toMatchObject({
      code: "E_PCSCD_REFUSED",
      message: expect.stringContaining("hangs up on bob without a word"),
    });
  });

  test("it answers again", async () => {
    await using line = await carrier(await echo());
    expect(await explained(line)).toMatchObject({ code: "E_PCSCD_GONE" });
  });

  test.each(["AllowStreamLocalForwarding no", "AllowTcpForwarding no", "DisableForwarding yes"])(
    "sshd says %s",
    async (setting) => {
      await using strict = await startSshd({ config: [setting] });
      const ssh = ["ssh", "-F", strict.clientConfig];
      await using line = await carrier(await echo(), { ssh });
      expect(await explained(line)).toMatchObject({
        code: "E_SSH_FORWARDING",
        hint: expect.stringContaining(setting.split(" ")[0] ?? ""),
      });
    },
  );

  test("no shell", async () => {
    await using strict = await startSshd({ config: ["ForceCommand /bin/false"] });
    const ssh = ["ssh", "-F", strict.clientConfig];
    await using line = await carrier(join(far, "s"), { ssh });
    expect(await explained(line)).toMatchObject({ code: "E_PCSCD_UNREACHABLE" });
  });
});
