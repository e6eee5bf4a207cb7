import { mkdtemp, rm, chmod } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Rules } from "./rules.ts";

/** In front of a real pcscd: passes everything on as it comes, and judges each request by {@link Rules}. */
export interface RecordingProxy extends AsyncDisposable {
  readonly path: string;
  /** Every request that broke a rule, of all connections so far. None is as it should be. */
  readonly violations: readonly string[];
  /** Requests by command, of all connections so far. */
  readonly requests: ReadonlyMap<number, number>;
  /** Connections, contexts and handles that there are now. */
  readonly open: { connections: number; contexts: number; handles: number };
  /** Of each connection with a handle: whether cardwire has closed it, and its last messages. */
  readonly histories: readonly string[];
  /** The most connections at once. */
  readonly most: number;
}

/** @param daemon the socket of the real one. The proxy's own can be used by everybody. */
export async function recordingProxy(daemon: string): Promise<RecordingProxy> {
  const directory = await mkdtemp(join(tmpdir(), "proxy-"));
  await chmod(directory, 0o755);
  const path = join(directory, "pcscd.comm");
  const violations: string[] = [];
  const requests = new Map<number, number>();
  const live = new Map<Socket, Rules>();
  let most = 0;

  const server = createServer({ allowHalfOpen: true }, (client) => {
    const rules = new Rules();
    const upstream = connect({ path: daemon, allowHalfOpen: true });
    live.set(client, rules);
    most = Math.max(most, live.size);
    client.on("data", (chunk) => {
      rules.sent(chunk);
      if (!upstream.write(chunk)) client.pause();
    });
    upstream.on("drain", () => client.resume());
    upstream.on("data", (chunk) => {
      rules.replied(chunk);
      if (!client.write(chunk)) upstream.pause();
    });
    client.on("drain", () => upstream.resume());
    client.on("end", () => upstream.end());
    upstream.on("end", () => client.end());
    for (const socket of [client, upstream]) socket.on("error", () => {});
    upstream.on("close", () => client.destroySoon());
    client.on("close", () => {
      upstream.destroySoon();
      if (!live.delete(client)) return;
      rules.ended();
      violations.push(...rules.violations);
      for (const [command, count] of rules.counts)
        requests.set(command, (requests.get(command) ?? 0) + count);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  await chmod(path, 0o666);

  return {
    path,
    get violations() {
      return [...violations, ...[...live.values()].flatMap((rules) => rules.violations)];
    },
    get requests() {
      const all = new Map(requests);
      for (const { counts } of live.values())
        for (const [command, count] of counts) all.set(command, (all.get(command) ?? 0) + count);
      return all;
    },
    get open() {
      const now = [...live.values()];
      return {
        connections: now.length,
        contexts: now.filter(({ context }) => context !== undefined).length,
        handles: now.reduce((sum, { handles }) => sum + handles.size, 0),
      };
    },
    get histories() {
      return [...live]
        .filter(([, { handles }]) => handles.size > 0)
        .map(
          ([{ readableEnded }, { history }]) => `${readableEnded ? "closed" : "open"}: ${history}`,
        );
    },
    get most() {
      return most;
    },
    async [Symbol.asyncDispose]() {
      for (const client of live.keys()) client.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await rm(directory, { recursive: true, force: true });
    },
  };
}
