import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Keeper, startKeeper } from "./keeper.ts";
import { lookIn, type Place, problemIn, remoteSocketScript } from "./remote-socket-script.ts";

// The script in this computer's shells, as ssh starts it over there; a server of ours listens in sshd's place.

let directory: string;
let servers: Server[];
let keepers: Keeper[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cardwire-test-"));
  servers = [];
  keepers = [];
});
afterEach(async () => {
  await Promise.all(keepers.map((keeper) => keeper.end()));
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true, force: true });
});

const { signal } = new AbortController();

async function listen(path: string): Promise<void> {
  const server = createServer((socket) => socket.destroy()).listen(path);
  servers.push(server);
  await once(server, "listening");
}

describe.each(["sh", "bash"])("in %s", (shell) => {
  async function start(about: Partial<Place> = {}, args: readonly string[] = []): Promise<Keeper> {
    const place = {
      name: "here",
      path: join(directory, "it's $(here).comm"),
      mode: 0o600,
      group: undefined,
      run: "abc",
      serial: 1,
      owner: "{}",
      ...about,
    };
    const env = { ...process.env, XDG_RUNTIME_DIR: directory };
    const session = () => spawn(shell, args, { env });
    const keeper = await startKeeper({ session }, remoteSocketScript(place), { signal });
    if (keeper === undefined) throw new Error("no answer");
    keepers.push(keeper);
    return keeper;
  }

  test("a socket appears with its rights, and goes with the one who made it", async () => {
    const keeper = await start({ mode: 0o640 });
    const look = lookIn(keeper.first);
    expect(look).toMatchObject({
      user: userInfo().username,
      path: join(directory, "it's $(here).comm"),
      found: "nothing",
    });
    await listen(look.fresh);
    expect((await keeper.ask("publish new"))?.get("published")).toBe("yes");
    expect(statSync(look.path).mode & 0o777).toBe(0o640);
    expect(readFileSync(`${look.path}.owner`, "utf8")).toBe("abc.00001\n{}\n");
    expect(await keeper.ask("check")).toEqual(new Map());
    await keeper.end();
    expect(readdirSync(directory)).toEqual([]);
  });

  test("the next connection takes its place, and is left alone by the end of the first", async () => {
    const first = await start();
    const { fresh, path } = lookIn(first.first);
    await listen(fresh);
    await first.ask("publish new");
    const second = await start({ serial: 2 });
    const look = lookIn(second.first);
    expect(look).toMatchObject({ found: "socket", run: "abc", owner: "{}" });
    await listen(look.fresh);
    await second.ask("publish over");
    await first.end();
    expect(readdirSync(directory).toSorted()).toEqual([
      "it's $(here).comm",
      "it's $(here).comm.owner",
    ]);
    expect(readFileSync(`${path}.owner`, "utf8")).toBe("abc.00002\n{}\n");
    await second.end();
    expect(readdirSync(directory)).toEqual([]);
  });

  test("of several who found the same dead socket, the first gets the place", async () => {
    const found = await start();
    await listen(lookIn(found.first).fresh);
    await found.ask("publish new");
    const late = await start({ run: "def" });
    const quick = await start({ run: "fed" });
    for (const keeper of [quick, late]) await listen(lookIn(keeper.first).fresh);
    expect((await quick.ask("publish over"))?.get("published")).toBe("yes");
    const answer = await late.ask("publish over");
    expect(answer && problemIn(answer)).toMatchObject({ problem: "taken" });
    expect(await quick.ask("check")).toEqual(new Map());
    // The one who lost it hears of it, and leaves it alone.
    expect((await found.ask("check"))?.has("lost")).toBe(true);
    await Promise.all([late.ended, found.end()]);
    expect(readdirSync(directory)).toHaveLength(2);
    await quick.end();
    expect(readdirSync(directory)).toEqual([]);
  });

  test("who asks hears that the socket was removed", async () => {
    const keeper = await start();
    const { fresh, path } = lookIn(keeper.first);
    await listen(fresh);
    await keeper.ask("publish new");
    rmSync(path);
    expect((await keeper.ask("check"))?.has("lost")).toBe(true);
  });

  test("what a login shell says first may end without a line feed", async () => {
    const noise = String.raw`printf '\033]0;title\007end=\nWelcome '; exec "$0"`;
    const keeper = await start({}, ["-c", noise, shell]);
    expect(lookIn(keeper.first)).toMatchObject({ found: "nothing" });
  });

  test("the path where ssh listens has the same length, however often the line broke", async () => {
    const lengths = [1, 10, 99_999].map(async (serial) => {
      const keeper = await start({ serial });
      return lookIn(keeper.first).fresh.length;
    });
    expect(new Set(await Promise.all(lengths)).size).toBe(1);
  });

  test("nobody is replaced who came in between", async () => {
    const keeper = await start();
    const { fresh, path } = lookIn(keeper.first);
    await listen(fresh);
    await listen(path);
    const answer = await keeper.ask("publish new");
    expect(answer && problemIn(answer)).toEqual({ problem: "taken", about: path });
    await keeper.ended;
    expect(readdirSync(directory)).toEqual(["it's $(here).comm"]);
  });

  test("nothing is left when the socket never came", async () => {
    const keeper = await start();
    const answer = await keeper.ask("publish new");
    expect(answer && problemIn(answer)).toMatchObject({ problem: "lost" });
    await keeper.ended;
    expect(readdirSync(directory)).toEqual([]);
  });
});
