import { expect, test } from "vitest";
import { attach, first } from "../../../test/replay/attached.ts";
import { Cmd } from "../../../test/replay/commands.ts";

const { signal } = new AbortController();

/** What was asked about the handle of the last release's connection, from its connect on. */
function endsOf({ daemon }: Awaited<ReturnType<typeof attach>>): readonly number[] {
  const connection = daemon.asked(Cmd.Release).at(-1)?.connection;
  const ends: readonly number[] = [Cmd.End, Cmd.Disconnect, Cmd.Release];
  const asked = daemon.requests.filter((one) => one.connection === connection);
  return asked.map(({ command }) => command).filter((command) => ends.includes(command));
}

test.each([
  ["little", "in a transaction", [Cmd.Release]],
  ["big", "in a transaction", [Cmd.End, Cmd.Disconnect, Cmd.Release]],
  ["big", "exclusive", [Cmd.End, Cmd.Disconnect, Cmd.Release]],
  ["big", "shared", [Cmd.Disconnect, Cmd.Release]],
] as const)("a program dies, its daemon is %s-endian, its handle %s", async (order, how, ends) => {
  await using attached = await attach({ order });
  const session = await attached.connect(first, how === "exclusive" ? { share: 1 } : {});
  if (how === "in a transaction") await session.begin({ signal });
  await session.abandon();
  await attached.daemon.untilAsked(Cmd.Release);
  expect(endsOf(attached)).toEqual(ends);
  await attached.daemon.until(() => attached.daemon.slot(first)?.handles.size === 0);
});

test("a connect is given up that a big-endian daemon answers later", async () => {
  await using attached = await attach({ order: "big" });
  using connect = attached.daemon.hold(Cmd.Connect);
  const giveUp = new AbortController();
  const connecting = attached.connect(first, { share: 1, signal: giveUp.signal });
  const failed = connecting.catch((error: unknown) => error);
  await connect.caught;
  giveUp.abort(new Error("enough"));
  expect(await failed).toMatchObject({ message: "enough" });
  connect.release();
  await attached.daemon.untilAsked(Cmd.Release);
  expect(endsOf(attached)).toEqual([Cmd.End, Cmd.Disconnect, Cmd.Release]);
});
