import { afterEach, describe, expect, test, vi } from "vitest";
import { cards, first } from "../../../test/replay/attached.ts";
import { carrierTo } from "../../../test/replay/carrier.ts";
import { Cmd } from "../../../test/replay/commands.ts";
import { type ReplayDaemon, startDaemon } from "../../../test/replay/daemon.ts";
import type { Carrier } from "../../carriers/carrier.ts";
import type { Reader } from "../../domain/card-service.ts";
import { CardwireError } from "../../domain/errors.ts";
import { pcscdService } from "./service.ts";

const { signal } = new AbortController();
const options = { pipelining: true, rememberFeatures: true, keepWarm: false };
const how = { share: 2, protocols: 3, principal: { name: "test" } };
const refused = new CardwireError("E_SSH_UNREACHABLE", "ssh to cardhost: refused", {
  hint: "Is it on?",
});

/** A carrier whose line is down, and which waits for it as real ones do. */
function downTo(daemon: ReplayDaemon, error?: CardwireError): Carrier {
  const carrier = carrierTo(daemon);
  carrier.line.set({ up: false, reason: "not connected yet", error });
  return {
    ...carrier,
    async open(within) {
      for await (const { up } of carrier.line.follow(within)) if (up) return carrier.open(within);
      throw within.signal.reason;
    },
  };
}

async function seen(
  service: { watch(within: { signal: AbortSignal }): AsyncIterable<readonly Reader[]> },
  count: number,
): Promise<void> {
  for await (const readers of service.watch({ signal })) if (readers.length === count) return;
}

describe("keepTrying", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test("a line that is down at the start: no readers, no waiting, and why; they come with the line", async () => {
    await using daemon = await startDaemon({ readers: cards });
    const carrier = downTo(daemon, refused);
    await using service = await pcscdService(carrier, options, { signal, keepTrying: true });
    expect(service.absence).toBe(refused);
    expect(service.readers).toEqual([]);
    expect(service.traits).toBeUndefined();
    await seen(service, 0);
    await expect(service.connect(first, how, { signal })).rejects.toMatchObject({
      code: "SCARD_E_READER_UNAVAILABLE",
    });
    carrier.line.set({ up: true });
    await seen(service, 3);
    expect(service.absence).toBeUndefined();
    await (await service.connect(first, how, { signal })).session.status();
  });

  test("a line that says no more than a reason", async () => {
    await using daemon = await startDaemon();
    const start = { signal, keepTrying: true };
    await using service = await pcscdService(downTo(daemon), options, start);
    expect(service.absence).toMatchObject({
      code: "E_LINE_DOWN",
      message: "no line to replay: not connected yet",
    });
  });

  test("a pcscd that does not run yet is tried until it does", async () => {
    await using daemon = await startDaemon({ readers: cards });
    await daemon.stop();
    const start = { signal, keepTrying: true };
    await using service = await pcscdService(carrierTo(daemon), options, start);
    expect(service.absence).toMatchObject({ code: "E_NO_PCSCD" });
    await seen(service, 0);
    await daemon.start();
    await seen(service, 3);
    expect(service.absence).toBeUndefined();
  });

  test("a pcscd that hangs up counts as away at once", async () => {
    await using daemon = await startDaemon({ readers: cards });
    daemon.maxConnections = 0;
    const start = { signal, keepTrying: true };
    await using service = await pcscdService(carrierTo(daemon), options, start);
    expect(service.absence).toMatchObject({ code: "E_PCSCD_REFUSED" });
  });

  test("a pcscd that takes the connection and says nothing counts as away after a while", async () => {
    await using daemon = await startDaemon({ readers: cards });
    using version = daemon.hold(Cmd.Version);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const starting = pcscdService(carrierTo(daemon), options, { signal, keepTrying: true });
    await version.caught;
    await vi.advanceTimersByTimeAsync(10_000);
    await using service = await starting;
    expect(service.absence).toMatchObject({ code: "E_PCSCD_GONE" });
    version.release();
    await seen(service, 3);
  });

  test("an aborted start ends", async () => {
    await using daemon = await startDaemon({ readers: cards });
    const start = { signal: AbortSignal.abort(new Error("enough")), keepTrying: true };
    await expect(pcscdService(downTo(daemon), options, start)).rejects.toThrow("enough");
  });

  test("a host that was off when everybody left is known to be off at once when somebody comes", async () => {
    await using daemon = await startDaemon({ readers: cards });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const start = { signal, keepTrying: true };
    await using service = await pcscdService(downTo(daemon, refused), options, start);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(service.absence).toBeUndefined(); // nobody looks
    await seen(service, 0);
    expect(service.absence).toBe(refused);
  });
});

test("without it, a daemon that cannot be reached is an error", async () => {
  await using daemon = await startDaemon({ readers: cards });
  await daemon.stop();
  await expect(pcscdService(carrierTo(daemon), options, { signal })).rejects.toMatchObject({
    code: "E_NO_PCSCD",
  });
});
