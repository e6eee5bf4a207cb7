import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { CardwireError } from "../../domain/errors.ts";
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
 * @throws {CardwireError} `E_LISTEN` when it cannot listen there.
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
  await listening(server, place);
  const address = server.address();
  return {
    port: typeof address === "object" ? address?.port : undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function listening(server: Server, place: MetricsPlace): Promise<void> {
  server.listen(place);
  try {
    await once(server, "listening");
  } catch (cause) {
    const where = "path" in place ? place.path : `${place.host}:${place.port}`;
    throw new CardwireError("E_LISTEN", `metrics cannot be offered at ${where}`, {
      cause,
      hint: "Choose another port, or a path in a directory of yours that is not there yet.",
    });
  }
}
