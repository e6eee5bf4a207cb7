import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { unixCarrier } from "./unix.ts";

let directory: string;
let path: string;
let server: Server | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cardwire-test-"));
  path = join(directory, "s");
});
afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(directory, { recursive: true, force: true });
});

const signal = () => AbortSignal.timeout(5_000);

async function serve(take: (socket: Socket) => void): Promise<void> {
  server = createServer((socket) => take(socket.on("error", () => {}))).listen(path);
  await once(server, "listening");
}

test("carries bytes both ways, and ends its streams when disposed", async () => {
  await serve((socket) => socket.pipe(socket));
  const carrier = unixCarrier(path);
  expect([carrier.name, carrier.line.value]).toEqual([`unix:${path}`, { up: true }]);
  const stream = await carrier.open({ signal: signal() });
  const answer = once(stream, "data");
  stream.write("hello");
  expect(String(await answer)).toBe("hello");
  await carrier[Symbol.asyncDispose]();
  expect(stream.destroyed).toBe(true);
  await expect(carrier.open({ signal: signal() })).rejects.toMatchObject({ code: "E_CLOSED" });
});

test("an abort rejects with its reason", async () => {
  await using carrier = unixCarrier(path);
  const aborted = AbortSignal.abort(new Error("enough"));
  await expect(carrier.open({ signal: aborted })).rejects.toThrow("enough");
});

test("a path too long for a socket is refused at once", () => {
  expect(() => unixCarrier(`/${"x".repeat(107)}`)).toThrow(
    expect.objectContaining({ code: "E_SOCKET_PATH" }),
  );
});

describe("says why", () => {
  test("there is no socket", async () => {
    await using carrier = unixCarrier(path);
    const expected = { code: "E_NO_PCSCD", message: `no pcscd at ${path} on this computer` };
    await expect(carrier.open({ signal: signal() })).rejects.toMatchObject(expected);
    expect(await carrier.explainSilence({ signal: signal() })).toMatchObject(expected);
  });

  test("nobody listens", async () => {
    const leave = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, 9))`;
    spawnSync(process.execPath, ["-e", leave, path]);
    await using carrier = unixCarrier(path);
    const expected = { code: "E_NO_PCSCD", message: `nobody listens at ${path} on this computer` };
    await expect(carrier.open({ signal: signal() })).rejects.toMatchObject(expected);
  });

  test("the socket is somebody else's", async () => {
    await serve((socket) => socket.end());
    chmodSync(path, 0o000);
    await using carrier = unixCarrier(path);
    const open = () => carrier.open({ signal: signal() });
    const isRoot = process.geteuid?.() === 0;
    try {
      if (isRoot) process.seteuid?.(65_534); // to root nothing is denied
      await expect(open()).rejects.toMatchObject({ code: "E_SOCKET_DENIED" });
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  test("it hangs up on everybody", async () => {
    await serve((socket) => socket.destroy());
    await using carrier = unixCarrier(path);
    expect(await carrier.explainSilence({ signal: signal() })).toMatchObject({
      code: "E_PCSCD_REFUSED",
      hint: expect.stringContaining("200 connections"),
    });
  });

  test("it answers again", async () => {
    await serve(() => {});
    await using carrier = unixCarrier(path);
    expect(await carrier.explainSilence({ signal: signal() })).toMatchObject({
      code: "E_PCSCD_GONE",
    });
  });
});
