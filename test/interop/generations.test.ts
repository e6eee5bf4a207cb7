import { expect, test } from "vitest";
import { readerNames, startPcscd } from "../lab/pcscd.ts";
import { foreign, suite } from "../lab/suites.ts";
import { here, PcscClient, type Programs } from "../pcsc/client.ts";
import { attach } from "./programs/cardwire.ts";

const clients: readonly (readonly [string, () => Programs])[] = [
  ["x86-64", () => here],
  ["s390x, big-endian", () => foreign("s390x")],
  ["armhf, 32 bits", () => foreign("armhf")],
  ["i386, 32 bits", () => foreign("i386")],
  ["Debian 11", () => suite("bullseye")],
  ["Debian 13", () => suite("trixie")],
  ["Debian unstable", () => suite("sid")],
];

test.each(clients)("%s makes calls through cardwire", async (_, programs) => {
  await using pcscd = await startPcscd();
  await using attached = await attach([`unix:${pcscd.socketPath}`]);
  await using client = new PcscClient(attached.socket, { programs: programs() });
  const [reader] = readerNames;
  await client.must("establish", { context: "a" });
  expect(await client.must("list", { context: "a" })).toMatchObject({ readers: readerNames });
  await client.must("connect", { context: "a", card: "c", reader });
  const sent = await client.must("transmit", { card: "c", apdu: "80e0000003c0ffee" });
  expect(sent).toMatchObject({ answer: "c0ffee9000" });
});
