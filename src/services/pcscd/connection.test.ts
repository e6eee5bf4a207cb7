import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Command } from "../../wire/pcsclite/constants.ts";
import { dialectOf } from "../../wire/pcsclite/dialects.ts";
import { encodeReply, type Speech } from "../../wire/pcsclite/replies.ts";
import { Connection } from "./connection.ts";

const speech: Speech = { order: "little", dialect: dialectOf(6, 16) };
const body = { context: 7, rv: 0 };

/** A connection, and the end of it where a daemon would be. */
async function connected() {
  const directory = mkdtempSync(join(tmpdir(), "cardwire-"));
  const server = createServer();
  server.listen(join(directory, "socket"));
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const connection = new Connection(connect(join(directory, "socket")), speech);
  const [daemon] = await accepted;
  daemon.on("error", () => {}); // it is hung up on
  return {
    connection,
    daemon,
    async [Symbol.asyncDispose]() {
      connection.close();
      daemon.destroy();
      server.close();
      rmSync(directory, { recursive: true });
    },
  };
}

const released = (rv: number) => encodeReply(Command.ReleaseContext, { ...body, rv }, speech);

test("answers are read in the order of the requests", async () => {
  await using pair = await connected();
  const first = pair.connection.request(Command.ReleaseContext, body);
  const second = pair.connection.request(Command.ReleaseContext, body);
  pair.daemon.write(Buffer.concat([released(0), released(0x80100003)]));
  expect((await first).body.rv).toBe(0);
  expect((await second).body.rv).toBe(0x80100003);
  expect(pair.connection.isOpen).toBe(true);
});

test.each([1, 6, 0x80110003, 0x00108003])(
  "a result of %i is none, and ends the connection",
  async (rv) => {
    await using pair = await connected();
    const closed = once(pair.daemon.resume(), "close");
    const first = pair.connection.request(Command.ReleaseContext, body);
    const second = pair.connection.request(Command.ReleaseContext, body);
    pair.daemon.write(Buffer.concat([released(rv), released(0)]));
    await expect(first).rejects.toMatchObject({ code: "E_PROTOCOL" });
    await expect(second).rejects.toMatchObject({ code: "E_PROTOCOL" });
    expect(await pair.connection.closed).toMatchObject({ code: "E_PROTOCOL" });
    await closed;
  },
);

test("what nobody asked for ends it", async () => {
  await using pair = await connected();
  pair.daemon.write(new Uint8Array(1_000));
  expect(await pair.connection.closed).toMatchObject({ code: "E_PCSCD_GONE" });
  const late = pair.connection.request(Command.ReleaseContext, body);
  await expect(late).rejects.toMatchObject({ code: "E_PCSCD_GONE" });
});

test("it is closed when what was asked is answered, and not before", async () => {
  await using pair = await connected();
  const asked = pair.connection.requestSoon(Command.ReleaseContext, body);
  let isClosed = false;
  const closed = pair.connection.closeAnswered().then(() => {
    isClosed = true;
  });
  await once(pair.daemon, "data");
  expect([isClosed, pair.connection.isOpen]).toEqual([false, true]);
  pair.daemon.write(released(0));
  expect((await asked).body.rv).toBe(0);
  await closed;
  expect(pair.connection.isOpen).toBe(false);
});
