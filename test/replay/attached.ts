import { once } from "node:events";
import type { Carrier } from "../../src/carriers/carrier.ts";
import type { CardSession, Reader } from "../../src/domain/card-service.ts";
import { dial } from "../../src/host/dial.ts";
import type { PcscdOptions } from "../../src/services/pcscd/daemon.ts";
import { type PcscdService, pcscdService } from "../../src/services/pcscd/service.ts";
import { fakeReader } from "../../src/testing/index.ts";
import { request, words } from "./bytes.ts";
import { carrierTo } from "./carrier.ts";
import { Cmd } from "./commands.ts";
import { type DaemonOptions, type ReplayDaemon, startDaemon } from "./daemon.ts";

export const atr = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
export const otherAtr = Uint8Array.of(0x3b, 0x00);

/** A card in the first two readers, none in the third. */
export const cards: readonly [Reader, Reader, Reader] = [
  fakeReader("Lab Reader 00 00", { atr, eventCounter: 1 }),
  fakeReader("Lab Reader 01 00", { atr, eventCounter: 7 }),
  fakeReader("Lab Reader 02 00"),
];
export const [first, second, third] = cards.map(({ name }) => name) as [string, string, string];

/** A PcscdService on a simulated daemon. */
export class Attached implements AsyncDisposable {
  readonly daemon: ReplayDaemon;
  readonly service: PcscdService;

  readonly #carrier: Carrier;

  constructor(daemon: ReplayDaemon, service: PcscdService, carrier: Carrier) {
    this.daemon = daemon;
    this.service = service;
    this.#carrier = carrier;
  }

  /** The line breaks, and comes up again at once; the daemon hears of it as pcscd does. */
  breakLine(): void {
    this.#carrier.line.set({ up: false, reason: "test" });
    this.daemon.hangUp();
    setImmediate(() => this.#carrier.line.set({ up: true }));
  }

  async connect(
    reader = first,
    { share = 2, protocols = 3, signal = new AbortController().signal } = {},
  ): Promise<CardSession> {
    const how = { share, protocols, principal: { name: "test" } };
    return (await this.service.connect(reader, how, { signal })).session;
  }

  /** Resolves when a context is in reserve, so that the next connect costs no more than itself. */
  async warm(): Promise<void> {
    await this.daemon.until(() => this.daemon.asked(Cmd.Establish).some((one) => one.repliedAt));
    await this.settle();
  }

  /** Two exchanges of somebody else's with the daemon: whatever the service was about to send has been read then. */
  async settle(): Promise<void> {
    const socket = await dial(this.daemon.path, { signal: new AbortController().signal });
    const { order } = this.daemon;
    for (let turns = 0; turns < 2; turns++) {
      socket.write(request(order, Cmd.Cancel, words(order, 0, 0)));
      await once(socket, "data");
    }
    socket.destroy();
  }

  /** Resolves when the service's list is the daemon's. */
  async follow(): Promise<void> {
    const wanted = describe(this.daemon.readers);
    for await (const readers of this.service.watch({ signal: new AbortController().signal }))
      if (describe(readers) === wanted) return;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service[Symbol.asyncDispose]();
    await this.daemon[Symbol.asyncDispose]();
  }
}

/** Readers as text, to compare lists; whoever shares a reader is left out, since daemons tell late. */
export const describe = (readers: readonly Reader[]): string =>
  readers
    .map(({ name, atr: has, stateBits, eventCounter }) =>
      [name, Buffer.from(has ?? []).toString("hex"), stateBits, eventCounter].join(" "),
    )
    .join("\n");

/** Starts a simulated daemon with {@link cards}, and a service that is connected to it. */
export async function attach(
  options: DaemonOptions & Partial<PcscdOptions> = {},
): Promise<Attached> {
  const daemon = await startDaemon({ readers: cards, ...options });
  const { pipelining = true, rememberFeatures = true, keepWarm = false } = options;
  const carrier = carrierTo(daemon);
  const service = await pcscdService(
    carrier,
    { pipelining, rememberFeatures, keepWarm },
    { signal: new AbortController().signal },
  );
  return new Attached(daemon, service, carrier);
}
