import { type Duplex, duplexPair } from "node:stream";
import type { CardService } from "../../src/domain/card-service.ts";
import type { Leasing } from "../../src/domain/leasing.ts";
import { ServedLink } from "../../src/fronts/link/served-link.ts";
import { Hall, type Patience } from "../../src/link/hall.ts";
import { type RemoteService, remoteService } from "../../src/services/remote/service.ts";

/** A line in this process, between a cardwire that has readers and one that uses them. It breaks when it is told to. */
export interface Linked extends AsyncDisposable {
  readonly remote: RemoteService;
  readonly hall: Hall;
  /** Breaks the line: what is on the way is lost. */
  cut(): void;
  /** The line carries nothing that is sent from here on, until {@link flow}. */
  stall(): void;
  flow(): void;
  /** Whether new connections are let through. */
  isOpen: boolean;
  /** How often something was connected. */
  connections: number;
}

export interface LinkedOptions {
  readonly pipelining?: boolean;
  readonly prefetch?: boolean;
  readonly patience?: Patience;
  readonly restAfterMs?: number;
  /** Optional parts of the protocol that the other end has; none unless told. */
  readonly features?: number;
  readonly leasing?: Leasing;
  /** Who has the link; "test" unless told. */
  readonly name?: string;
}

const PATIENCE: Patience = { graceMs: 5_000, lockMs: 2_000 };

/** Links to a service. Disposing ends the link, and not the service. */
export async function linkTo(service: CardService, options: LinkedOptions = {}): Promise<Linked> {
  const { pipelining = true, prefetch = true, patience = PATIENCE, restAfterMs } = options;
  const { name = "test" } = options;
  const hall = new Hall({
    most: patience,
    features: options.features ?? 0,
    about: () => "a test",
    serve: (end) => new ServedLink(service, end, { name }, options.leasing),
  });
  const streams = new Set<Duplex>();
  let stalled: (() => void)[] | undefined;
  const linked = {
    hall,
    isOpen: true,
    connections: 0,
    cut: () => {
      for (const stream of streams) stream.destroy();
      streams.clear();
    },
    stall: () => {
      stalled = [];
    },
    flow: () => {
      const held = stalled ?? [];
      stalled = undefined;
      for (const send of held) send();
    },
  };
  const remote = await remoteService(
    {
      name: "test",
      open: async () => {
        if (!linked.isOpen) throw new Error("the line is closed");
        linked.connections += 1;
        const [near, wire] = duplexPair();
        const [far, end] = duplexPair();
        const pass = (from: Duplex, to: Duplex): void => {
          from.on("data", (chunk: Uint8Array) => {
            if (stalled) stalled.push(() => to.write(chunk));
            else to.write(chunk);
          });
          from.on("close", () => to.destroy());
          to.on("close", () => from.destroy());
        };
        pass(wire, end);
        pass(end, wire);
        for (const stream of [near, wire, far, end]) {
          stream.on("error", () => {});
          streams.add(stream);
        }
        hall.accept(far);
        return near;
      },
    },
    { pipelining, prefetch, patience, about: "a test", restAfterMs },
    { signal: AbortSignal.timeout(10_000) },
  );
  return {
    ...linked,
    remote,
    get isOpen() {
      return linked.isOpen;
    },
    set isOpen(open: boolean) {
      linked.isOpen = open;
    },
    get connections() {
      return linked.connections;
    },
    async [Symbol.asyncDispose]() {
      await remote[Symbol.asyncDispose]();
      await hall[Symbol.asyncDispose]();
    },
  };
}
