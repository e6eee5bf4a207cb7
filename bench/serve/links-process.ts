import { once } from "node:events";
import { connect } from "../../src/client/connect.ts";
import { ReaderStateBit } from "../../src/domain/pcsc.ts";

// links-process.ts WHERE COUNT: so many links to one card host, in one process. Says "ready" when all of them know the
// readers, and from then on, for each that hears of a card that came or went, when: ms of CLOCK_MONOTONIC. Ends with its
// input.

/** How many are opened at once: fewer than one address may have open without a certificate. */
const AT_ONCE = 4;

const [where = "", count = "0"] = process.argv.slice(2);

const open = async () => {
  const client = await connect(where);
  let had: boolean | undefined;
  const follow = async (): Promise<void> => {
    for await (const [reader] of client.changes()) {
      const has = ((reader?.stateBits ?? 0) & ReaderStateBit.Present) !== 0;
      if (had !== undefined && has !== had) console.log(Number(process.hrtime.bigint()) / 1e6);
      had = has;
    }
  };
  void follow(); // ends with the client, without an error
  return client;
};

const clients: Awaited<ReturnType<typeof open>>[] = [];
const more = async (): Promise<void> => {
  while (clients.length < Number(count)) {
    const place = clients.length;
    clients.length += 1;
    clients[place] = await open();
  }
};
await Promise.all(Array.from({ length: AT_ONCE }, more));
console.log("ready");
process.stdin.resume();
await once(process.stdin, "end");
await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
