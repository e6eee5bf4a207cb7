import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { CardwireError } from "../../domain/errors.ts";
import { publishSocket } from "../../host/unix-socket.ts";
import { type Metrics, OPEN_METRICS } from "../../observe/metrics.ts";

/** Where metrics are asked for: a port of this computer alone, or a Unix socket. */
export type MetricsPlace =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

const REQUEST_MS = 5_000;
const MOST_CONNECTIONS = 32;

export interface MetricsServer extends AsyncDisposable {
  /** The port that it became; undefined at a Unix socket. */
  readonly port: number | undefined;
}

/**
 * Answers `GET /metrics`, and nothing else.
 *
 * @throws {CardwireError} `E_LISTEN` when it cannot listen at that port; at a path as {@link publishSocket}.
 */
export async function serveMetrics(metrics: Metrics, place: MetricsPlace): Promise<MetricsServer> {
  const server = createServer({ requestTimeout: REQUEST_MS }, (request, response) => {
    const isAsked = request.url === "/metrics" && ["GET", "HEAD"].includes(request.method ?? "");
    response.writeHead(isAsked ? 200 : 404, {
      "content-type": isAsked ? OPEN_METRICS : "text/plain",
    });
    response.end(isAsked && request.method === "GET" ? metrics.text() : undefined);
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.on("clientError", (_error, socket) => void socket.destroy());
  server.unref();
  const published = "path" in place ? await publishSocket(server, place) : undefined;
  if (!("path" in place)) await listening(server, place);
  const address = server.address();
  return {
    port: typeof address === "object" ? address?.port : undefined,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      await published?.[Symbol.asyncDispose]();
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listening(
  server: Server,
  place: { readonly host: string; readonly port: number },
): Promise<void> {
  server.listen(place);
  try {
    await once(server, "listening");
  } catch (cause) {
    const where = `${place.host}:${place.port}`;
    throw new CardwireError("E_LISTEN", `metrics cannot be offered at ${where}`, {
      cause,
      hint: "Choose another port, or a path.",
    });
  }
}
