import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { serveSocket, serveSockets } from "../host/serve-socket.ts";
import { serveHere } from "./serve-here.ts";

let folder: string;
const ends: (() => void)[] = [];
const signal = AbortSignal.timeout(30_000);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "here-"));
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await rm(folder, { recursive: true });
});

/** A socket at which everybody who comes is told this. */
async function saying(name: string, words: string | undefined): Promise<string> {
  const path = join(folder, name);
  const server = createServer((stream) => {
    stream.on("error", () => {});
    ends.push(() => stream.destroy());
    if (words !== undefined) stream.end(words);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  ends.push(() => server.close());
  return path;
}

const nobody = () => join(folder, "nobody");

test.each([
  ["greets", "+", (socket: string) => ({ socket })],
  [
    "refuses",
    "-the identity local:bob was revoked\nmore",
    () => ({ refusal: "the identity local:bob was revoked" }),
  ],
  ["refuses without a word", "-", () => ({ refusal: "it refuses" })],
  ["says something else", "hello", () => ({ refusal: "it does not answer" })],
  ["hangs up", "", () => ({ refusal: "it does not answer" })],
] as const)("a serve that %s", async (_, words, expected) => {
  const socket = await saying("one", words);
  expect(await serveHere({ signal }, [nobody(), socket])).toEqual(expected(socket));
});

test("a serve that hangs is not waited for", async () => {
  const socket = await saying("one", undefined);
  expect(await serveHere({ signal }, [socket])).toEqual({ refusal: "it does not answer" });
});

test("the first that lets us in, although another refuses", async () => {
  const refuses = await saying("one", "-no\n");
  const greets = await saying("two", "+");
  expect(await serveHere({ signal }, [refuses, greets])).toEqual({ socket: greets });
});

test("none", async () => {
  expect(await serveHere({ signal }, [nobody()])).toBeUndefined();
  await expect(
    serveHere({ signal: AbortSignal.abort(new Error("over")) }, [nobody()]),
  ).rejects.toThrow("over");
});

test("one's own directory counts only while it is one's own", async () => {
  const uid = process.getuid?.() ?? 0;
  const person = { uid: uid === 0 ? 4_000_000 : uid, env: { XDG_RUNTIME_DIR: folder } };
  // There is no such directory, or it belongs to somebody else.
  expect(await serveSockets(person, ["/run/cardwire"])).not.toContain(
    serveSocket(join(folder, "cardwire")),
  );
  expect(await serveSockets(person, ["/run/cardwire"])).toContain("/run/cardwire/_serve");
});
