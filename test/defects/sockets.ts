import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { PcscliteServer } from "../../src/fronts/pcsclite/server.ts";
import { publicDirectory } from "../lab/processes.ts";
import { PcscClient, type PcscClientOptions } from "../pcsc/client.ts";
import { type Attached, attach } from "../replay/attached.ts";
import type { DaemonOptions, ReplayDaemon } from "../replay/daemon.ts";

/** A simulated daemon, and a cardwire in front of it: the same readers at two sockets. */
export class Simulated implements AsyncDisposable {
  /** Where programs meet cardwire, which runs in this process. */
  readonly through: string;
  readonly #attached: Attached;
  readonly #front: PcscliteServer;
  readonly #end: () => Promise<void>;

  constructor(
    attached: Attached,
    front: PcscliteServer,
    through: string,
    end: () => Promise<void>,
  ) {
    this.#attached = attached;
    this.#front = front;
    this.through = through;
    this.#end = end;
  }

  get daemon(): ReplayDaemon {
    return this.#attached.daemon;
  }

  /** Where programs meet the daemon itself. */
  get direct(): string {
    return this.daemon.path;
  }

  /** Programs that cardwire has now. */
  get applications(): number {
    return this.#front.applications;
  }

  /** Resolves when cardwire shows what the daemon has. */
  follow(): Promise<void> {
    return this.#attached.follow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}

/** @param options.through where cardwire's socket is to be; in a place of its own unless told. */
export async function simulated({
  through,
  ...options
}: DaemonOptions & { readonly through?: string } = {}): Promise<Simulated> {
  const attached = await attach(options);
  const directory = through === undefined ? await publicDirectory("defects") : dirname(through);
  const path = through ?? join(directory, "pcscd.comm");
  const server = createServer();
  const front = new PcscliteServer(server, attached.service);
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  return new Simulated(attached, front, path, async () => {
    await front[Symbol.asyncDispose]();
    server.close();
    await attached[Symbol.asyncDispose]();
    if (through === undefined) await rm(directory, { recursive: true, force: true });
  });
}

/** A program with the context "a". Root runs it, whose alone a simulated daemon's socket is. */
export async function client(socket: string, options: PcscClientOptions = {}): Promise<PcscClient> {
  const program = new PcscClient(socket, { user: "root", ...options });
  try {
    await program.must("establish", { context: "a" });
    return program;
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}
