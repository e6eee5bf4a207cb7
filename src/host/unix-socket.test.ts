import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkSocketPlace, publishSocket } from "./unix-socket.ts";

let directory: string;
let servers: Server[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cardwire-test-"));
  servers = [];
});
afterEach(() => {
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true, force: true });
});

function greeter(greeting = "hello"): Server {
  const server = createServer((socket) => socket.on("error", () => {}).end(greeting));
  servers.push(server);
  return server;
}

async function heard(path: string): Promise<string> {
  let text = "";
  for await (const chunk of connect(path).setEncoding("utf8")) text += chunk;
  return text;
}

const modeOf = (path: string) => statSync(path).mode & 0o7777;
const answers = (path: string, wait: string) => `
  const server = require("net").createServer((s) => s.on("error", () => {}).end("other"));
  server.listen(${JSON.stringify(path)}, () => { console.log("ready"); ${wait} });`;

/** What a killed program leaves behind. */
function leaveStale(path: string): void {
  spawnSync(process.execPath, ["-e", answers(path, "process.kill(process.pid, 'SIGKILL')")]);
  expect(statSync(path).isSocket()).toBe(true);
}

describe("checkSocketPlace", () => {
  test("is content with a place where a socket can go, and makes nothing", async () => {
    await checkSocketPlace(join(directory, "s"));
    expect(readdirSync(directory)).toEqual([]);
  });

  test("tells early what publishSocket would say later", async () => {
    const path = join(directory, "s");
    await using _published = await publishSocket(greeter(), { path });
    await expect(checkSocketPlace(path)).rejects.toMatchObject({ code: "E_SOCKET_IN_USE" });
    const nowhere = checkSocketPlace("/nonexistent/s");
    await expect(nowhere).rejects.toMatchObject({ code: "E_SOCKET_PATH" });
  });
});

describe("publishSocket", () => {
  test("answers at the path, with the default mode, and leaves nothing behind", async () => {
    const path = join(directory, "s");
    {
      await using published = await publishSocket(greeter(), { path });
      expect(published.path).toBe(path);
      expect(modeOf(path)).toBe(0o600);
      expect(readdirSync(directory)).toEqual(["s"]);
      expect(await heard(path)).toBe("hello");
    }
    expect(readdirSync(directory)).toEqual([]);
  });

  test("gives the mode and the group that were asked for", async () => {
    const path = join(directory, "s");
    const gid = process.getgroups?.().at(-1) ?? 0;
    await using _published = await publishSocket(greeter(), { path, mode: 0o660, group: `${gid}` });
    expect(modeOf(path)).toBe(0o660);
    expect(statSync(path).gid).toBe(gid);
  });

  test("is never there with other rights, not for a moment", async () => {
    const path = join(directory, "s");
    const seen = new Set<string>();
    const watching = setInterval(() => look(), 0);
    const look = () => {
      const found = statSync(path, { throwIfNoEntry: false });
      if (found) seen.add((found.mode & 0o777).toString(8));
    };
    for (let round = 0; round < 30; round += 1) {
      await using _published = await publishSocket(greeter(), { path, mode: 0o640 });
      look();
    }
    clearInterval(watching);
    expect([...seen]).toEqual(["640"]);
  });

  test("replaces a stale socket without a moment in which there is none", async () => {
    const path = join(directory, "s");
    leaveStale(path);
    let missing = 0;
    const watching = setInterval(() => {
      if (statSync(path, { throwIfNoEntry: false }) === undefined) missing += 1;
    }, 0);
    await using _published = await publishSocket(greeter(), { path });
    clearInterval(watching);
    expect(missing).toBe(0);
    expect(await heard(path)).toBe("hello");
  });

  test("does not touch a live one, and names its holder", async () => {
    const path = join(directory, "s");
    const other = spawn(process.execPath, ["-e", answers(path, "")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(other.stdout, "data");
      await expect(publishSocket(greeter(), { path })).rejects.toMatchObject({
        code: "E_SOCKET_IN_USE",
        message: `${path} is in use by process ${other.pid} (node)`,
      });
      expect(await heard(path)).toBe("other");
    } finally {
      other.kill();
    }
  });

  test.each([
    ["a file", (path: string) => writeFileSync(path, "mine")],
    ["a directory", (path: string) => mkdirSync(path)],
    ["a symbolic link", (path: string) => symlinkSync("/nowhere", path)],
  ])("refuses %s and leaves it", async (_what, make) => {
    const path = join(directory, "s");
    make(path);
    await expect(publishSocket(greeter(), { path })).rejects.toMatchObject({
      code: "E_SOCKET_PATH",
    });
    expect(readdirSync(directory)).toEqual(["s"]);
  });

  test("of two at once one wins and the other is told", async () => {
    const path = join(directory, "s");
    for (let round = 0; round < 10; round += 1) {
      if (round % 2 === 1) leaveStale(path);
      const results = await Promise.allSettled([
        publishSocket(greeter("a"), { path }),
        publishSocket(greeter("b"), { path }),
      ]);
      const won = results.filter((result) => result.status === "fulfilled");
      const lost = results.filter((result) => result.status === "rejected");
      expect(won).toHaveLength(1);
      expect(lost[0]?.reason).toMatchObject({ code: "E_SOCKET_IN_USE" });
      await won[0]?.value[Symbol.asyncDispose]();
    }
    expect(readdirSync(directory)).toEqual([]);
  }, 30_000);

  test("removes only its own socket", async () => {
    const path = join(directory, "s");
    const published = await publishSocket(greeter("old"), { path });
    await using _elsewhere = await publishSocket(greeter("new"), { path: `${path}2` });
    renameSync(`${path}2`, path);
    await published[Symbol.asyncDispose]();
    expect(await heard(path)).toBe("new");
  });

  test("a socket that somebody removed is no error", async () => {
    const path = join(directory, "s");
    const published = await publishSocket(greeter(), { path });
    rmSync(path);
    await published[Symbol.asyncDispose]();
  });

  test("takes a path of 107 bytes and refuses 108", async () => {
    const longest = join(directory, "x".repeat(107 - directory.length - 1));
    await using _published = await publishSocket(greeter(), { path: longest });
    expect(await heard(longest)).toBe("hello");
    expect(readdirSync(directory)).toHaveLength(1);
    await expect(publishSocket(greeter(), { path: `${longest}x` })).rejects.toMatchObject({
      code: "E_SOCKET_PATH",
    });
  });

  test.each([
    ["no directory", { path: "/nonexistent/s" }, "E_SOCKET_PATH"],
    ["a file for a directory", { path: "/etc/passwd/s" }, "E_SOCKET_PATH"],
    ["no such group", { path: "/tmp/s", group: "no-such-group-here" }, "E_GROUP"],
    ["a group that is an option", { path: "/tmp/s", group: "--help" }, "E_GROUP"],
    ["a file system that takes no files", { path: "/proc/s" }, "E_SOCKET_PATH"],
  ])("explains %s", async (_what, options, code) => {
    const server = greeter();
    await expect(publishSocket(server, options)).rejects.toMatchObject({ code });
    expect(server.listening).toBe(false);
  });

  test("explains missing rights and foreign groups", () => {
    const script = `
      if (process.getuid() === 0) { process.setgroups([65534]); process.setgid(65534); process.setuid(65534); }
      const { publishSocket } = await import(${JSON.stringify(new URL("unix-socket.ts", import.meta.url).href)});
      const { createServer } = await import("node:net");
      const codes = [];
      for (const options of ${JSON.stringify([{ path: "/cardwire-test-s" }, { path: "/tmp/cardwire-test-s", group: "root" }])})
        await publishSocket(createServer(), options).catch((error) => codes.push(error.code));
      console.log(codes.join(" "));`;
    const args = ["--import", "tsx", "--input-type=module", "-e", script];
    const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect(stdout.trim()).toBe("E_SOCKET_DENIED E_GROUP");
  });
});
