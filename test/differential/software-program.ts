import { createServer } from "node:net";
import { listenForVpcdCards, PcscliteServer, SoftwareReaders } from "../../src/index.ts";
import { readerNames } from "../lab/pcscd.ts";
import { VPCD_PORT } from "../lab/vpcd.ts";

// Software readers at a socket and at vpcd's ports, until a signal. They have vpcd's names, since a status tells them,
// and take a card's power as soon as pcscd takes it from a card in vpcd, which does not tell by itself that a card goes.

const POWER_OFF_MS = 800;

const [, , socket = ""] = process.argv;
const readers = new SoftwareReaders(readerNames, { powerOffAfterMs: POWER_OFF_MS });
await listenForVpcdCards(readers, readerNames, { host: "127.0.0.1", port: VPCD_PORT });
const server = createServer();
// It lives as long as the process does.
void new PcscliteServer(server, readers);
server.listen({ path: socket, readableAll: true, writableAll: true });
