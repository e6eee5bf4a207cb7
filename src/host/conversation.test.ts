import { mkdtemp, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Conversation, converseAt, converseWith } from "./conversation.ts";

const soon = () => ({ signal: AbortSignal.timeout(5_000) });

/** A socket where somebody answers. */
async function answering(talk: (conversation: Conversation) => Promise<void>) {
  const directory = await mkdtemp(join(tmpdir(), "conversation-"));
  const path = join(directory, "socket");
  const listening = await converseAt(path, talk);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await listening[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

test("each line is heard, and what is no JSON is nothing; the socket is its user's alone", async () => {
  const heard: unknown[] = [];
  await using there = await answering(async (conversation) => {
    for await (const message of conversation.heard) {
      heard.push(message);
      conversation.say({ got: heard.length });
    }
    conversation.say({ last: true });
  });
  expect((await stat(there.path)).mode & 0o777).toBe(0o600);
  const socket = connect(there.path);
  let told = "";
  socket.setEncoding("utf8").on("data", (text: string) => (told += text));
  socket.end('{"a":1}\nnonsense\n');
  await expect.poll(() => told).toBe('{"got":1}\n{"got":2}\n{"last":true}\n');
  expect(heard).toEqual([{ a: 1 }, undefined]);
});

test("the end of the other process is noticed at once, also by who does not listen", async () => {
  let isGone = false;
  await using there = await answering(async ({ gone }) => {
    await new Promise<void>((resolve) => gone.addEventListener("abort", () => resolve()));
    isGone = true;
  });
  const conversation = await converseWith(there.path, soon());
  await conversation?.[Symbol.asyncDispose]();
  await expect.poll(() => isGone).toBe(true);
});

test("who says too much in one line is hung up on", async () => {
  await using there = await answering(async ({ heard }) => {
    for await (const _ of heard);
  });
  const conversation = await converseWith(there.path, soon());
  conversation?.say({ text: "x".repeat(70_000) });
  await expect.poll(() => conversation?.gone.aborted).toBe(true);
});

test("where nobody listens there is none", async () => {
  expect(await converseWith("/nowhere/at/all", soon())).toBeUndefined();
});

test("disposing ends the conversations that there are", async () => {
  const there = await answering(async ({ heard }) => {
    for await (const _ of heard);
  });
  const conversation = await converseWith(there.path, soon());
  conversation?.say({ hello: true });
  await there[Symbol.asyncDispose]();
  await expect.poll(() => conversation?.gone.aborted).toBe(true);
});
