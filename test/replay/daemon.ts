import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Reader } from "../../src/domain/card-service.ts";
import { deferred } from "../../src/domain/deferred.ts";
import { FakeSlot } from "../../src/testing/fake-slot.ts";
import { type Order, record, unused, word, words } from "./bytes.ts";
import { carry, type Hooks, type Kind, kinds, structSize } from "./commands.ts";
import { PcscdConnection } from "./pcscd-connection.ts";

export interface DaemonOptions {
  /** Which release it behaves like; see {@link kinds}. */
  readonly kind?: Kind;
  /** Slots of the fixed array: 16, or 48 as in Fedora. */
  readonly slots?: number;
  readonly order?: Order;
  readonly readers?: readonly Reader[];
  readonly hooks?: Hooks;
  /** Changes each slot record on its way out. */
  readonly spoil?: (record: Buffer) => Buffer;
}

/** A request as it arrived, with the daemon's own count of moments, so that tests can prove what came before what. */
export interface Asked {
  readonly connection: number;
  readonly command: number;
  /** The reader it is about, for commands on a card. */
  readonly reader: string;
  readonly struct: Buffer;
  readonly payload: Buffer;
  readonly arrivedAt: number;
  /** When its reply went out; `undefined` until then. */
  repliedAt: number | undefined;
}

/** A place in an answer where a 2.5.x daemon lets an event in. */
export type Spot = "before size" | "before array" | "between records" | "before mark";

/** A request that is kept from being carried out. */
export interface Hold extends Disposable {
  /** The request that was caught. */
  readonly caught: Promise<Asked>;
  release(): void;
}

/** What goes out in place of a reply. */
export type Twist = (
  reply: Buffer,
  asked: Asked,
) => Buffer | { readonly send: Buffer; readonly thenHangUp: true };

interface Rule {
  readonly command: number;
  readonly reader: string | undefined;
  apply(asked: Asked, reply: () => Promise<Buffer>): Promise<ReturnType<Twist>>;
}

/**
 * A simulated pcscd, for what a real one cannot be made to do: each dialect and refusal of sixteen years of releases,
 * 48 slots, the other byte order, events in the middle of arrays on demand, replies that are withheld, twisted or cut
 * off. What a real pcscd can show is tested with a real one. Its bytes are made by hand (bytes.ts), its rules about
 * sharing are FakeSlot's, which the contract compares with the real ones.
 */
export class ReplayDaemon implements AsyncDisposable {
  readonly path: string;
  kind: Kind;
  order: Order;
  readonly requests: Asked[] = [];
  readonly connections = new Map<number, PcscdConnection>();
  readonly hooks: Hooks;
  /** Called at each {@link Spot} of a registered connection's answer, in daemons that are not atomic there. */
  between: ((spot: Spot) => void) | undefined;
  readonly #spoil: (record: Buffer) => Buffer;
  /** More than so many connections are closed right after accept. */
  maxConnections = 200;
  /** How many that were. */
  refused = 0;
  readonly #directory: string;
  #fixedSlots: number;
  readonly #slots: (FakeSlot | undefined)[] = [];
  readonly #rules: Rule[] = [];
  readonly #waiting = new Set<() => void>();
  #server: Server | undefined;
  #moment = 0;
  #accepted = 0;
  #numbers = 1_000;

  constructor(directory: string, options: DaemonOptions) {
    this.#directory = directory;
    this.path = join(directory, "pcscd.comm");
    this.kind = options.kind ?? "1.9.9";
    this.order = options.order ?? "little";
    this.hooks = options.hooks ?? {};
    this.#fixedSlots = options.slots ?? 16;
    this.#spoil = options.spoil ?? ((bytes) => bytes);
    this.#fill(options.readers ?? []);
  }

  /** The readers as this daemon would list them now. */
  get readers(): Reader[] {
    return this.#slots.flatMap((slot) => (slot ? [slot.reader] : []));
  }

  get isList(): boolean {
    return kinds[this.kind].minor >= 6;
  }

  /** Requests of one kind, in the order of their arrival. */
  asked(command: number, reader?: string): Asked[] {
    return this.requests.filter(
      (one) => one.command === command && (reader === undefined || one.reader === reader),
    );
  }

  async start(): Promise<void> {
    await rm(this.path, { force: true });
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve) => {
      server.listen(this.path, resolve);
    });
  }

  /** Ends as a pcscd that exits: every connection is closed, the socket is gone, all handles are forgotten. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise((resolve) => {
      if (server) server.close(resolve);
      else resolve(undefined);
    });
    this.hangUp();
    await closed;
    await rm(this.path, { force: true });
    for (const [index, slot] of this.#slots.entries())
      if (slot) this.#slots[index] = new FakeSlot({ ...slot.reader, protocol: 0 }, () => {});
  }

  /** Ends, and begins again as another one. */
  async become({ kind, order, slots, readers }: Omit<DaemonOptions, "hooks" | "spoil">) {
    await this.stop();
    if (readers) this.#fill(readers);
    this.kind = kind ?? this.kind;
    this.order = order ?? this.order;
    this.#fixedSlots = slots ?? this.#fixedSlots;
    await this.start();
  }

  /** Closes every connection, or those that are meant, as a line that breaks. */
  hangUp(which: (connection: PcscdConnection) => boolean = () => true): void {
    for (const connection of this.connections.values()) if (which(connection)) connection.destroy();
  }

  /** Resolves when `is` holds; it is asked after each arrival, reply and hang-up. */
  async until(is: () => boolean): Promise<void> {
    while (!is())
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
  }

  /** Resolves with the `count`-th request of that kind. */
  async untilAsked(command: number, { count = 1, reader = undefined as string | undefined } = {}) {
    await this.until(() => this.asked(command, reader).length >= count);
    const found = this.asked(command, reader)[count - 1];
    if (!found) throw new Error("unreachable: the request was counted");
    return found;
  }

  /** Keeps the next such request from being carried out until released; what follows on its connection waits too. */
  hold(command: number, reader?: string): Hold {
    const released = deferred();
    const caught = deferred<Asked>();
    this.#rules.push({
      command,
      reader,
      apply: async (asked, reply) => {
        caught.resolve(asked);
        await released.promise;
        return await reply();
      },
    });
    const release = () => released.resolve();
    return { caught: caught.promise, release, [Symbol.dispose]: release };
  }

  /** Changes the next such reply. */
  twist(command: number, twist: Twist, reader?: string): void {
    const apply: Rule["apply"] = async (asked, reply) => twist(await reply(), asked);
    this.#rules.push({ command, reader, apply });
  }

  insert(reader: string, atr: Uint8Array): void {
    this.slot(reader)?.insert(atr);
    this.event();
  }

  pull(reader: string): void {
    this.slot(reader)?.pull();
    this.event();
  }

  /** Adds a reader in the lowest free slot. */
  plug(reader: Reader): void {
    const free = this.#slots.indexOf(undefined);
    this.#slots[free < 0 ? this.#slots.length : free] = new FakeSlot(reader, () => {});
    this.event();
  }

  unplug(reader: string): void {
    const at = this.#slots.findIndex((slot) => slot?.name === reader);
    this.#slots[at]?.pull();
    this.#slots[at] = undefined;
    this.event();
  }

  /** Tells every registered connection that something changed; registration is one-shot. A real daemon's `rv` is 0. */
  event(rv = 0): void {
    for (const connection of this.connections.values()) connection.event(words(this.order, 0, rv));
  }

  slot(reader: string): FakeSlot | undefined {
    return this.#slots.find((slot) => slot?.name === reader);
  }

  /** Numbers of contexts and handles; none is ever given out again. */
  nextNumber(): number {
    this.#numbers += 1;
    return this.#numbers;
  }

  /** Slots of the array that a connection of that dialect is sent. */
  slotCount(minor: number): number {
    if (!this.isList || minor < 6) return this.#fixedSlots;
    return Math.max(2, this.#slots.length + (this.#slots.length % 2));
  }

  recordOf(index: number): Buffer {
    const slot = this.#slots[index];
    return this.#spoil(slot ? record(this.order, slot.reader) : unused(this.order));
  }

  /** A request arrived whole. */
  arrived(connection: PcscdConnection, command: number, struct: Buffer, payload: Buffer): Asked {
    const reader = connection.readerOf(command, struct);
    const about = { connection: connection.id, command, reader, struct, payload };
    const asked: Asked = { ...about, arrivedAt: this.#tick(), repliedAt: undefined };
    this.requests.push(asked);
    this.#wake();
    return asked;
  }

  /** Carries a request out, with whatever a test has in mind for it. */
  async answer(connection: PcscdConnection, asked: Asked): Promise<void> {
    const at = this.#rules.findIndex(
      ({ command, reader }) =>
        command === asked.command && (reader === undefined || reader === asked.reader),
    );
    const [rule] = at < 0 ? [] : this.#rules.splice(at, 1);
    const reply = async () => await carry(this, connection, asked);
    const answer = rule ? await rule.apply(asked, reply) : await reply();
    connection.write("send" in answer ? answer.send : answer);
    if ("send" in answer) connection.hangUp();
    asked.repliedAt = this.#tick();
    this.#wake();
  }

  closed(connection: PcscdConnection): void {
    this.connections.delete(connection.id);
    this.#wake();
  }

  /** The size of a command's struct here; `undefined` when there is no such command. */
  structSize(command: number): number | undefined {
    return structSize(command, kinds[this.kind].minor);
  }

  wordOf(from: Uint8Array, at: number): number {
    return word(this.order, from, at);
  }

  #accept(socket: Socket): void {
    if (this.connections.size >= this.maxConnections) {
      socket.on("error", () => {});
      socket.destroy();
      this.refused += 1;
      this.#wake();
      return;
    }
    this.#accepted += 1;
    this.connections.set(
      this.#accepted,
      new PcscdConnection(this, socket, { id: this.#accepted, minor: kinds[this.kind].minor }),
    );
    this.#wake();
  }

  #fill(readers: readonly Reader[]): void {
    this.#slots.splice(0, Infinity, ...readers.map((reader) => new FakeSlot(reader, () => {})));
  }

  #tick(): number {
    this.#moment += 1;
    return this.#moment;
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Starts a simulated pcscd on a socket of its own. */
export async function startDaemon(options: DaemonOptions = {}): Promise<ReplayDaemon> {
  const daemon = new ReplayDaemon(await mkdtemp(join(tmpdir(), "replay-")), options);
  await daemon.start();
  return daemon;
}
