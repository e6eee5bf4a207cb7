import { Apdu, Disposition, move, reader, type Stage } from "./stage.ts";

// What a program is told of what others did to its card, and what is left of that.

/** Resets and other ends, by one handle; what another one is told, and what the card remembers. */
export async function resets(stage: Stage): Promise<void> {
  const { client, results } = stage;
  const start = async (): Promise<void> => {
    for (const name of ["a", "b"]) {
      await client.must("establish", { context: name });
      await client.must("connect", { context: name, card: name, reader });
    }
    await client.must("transmit", { card: "a", apdu: Apdu.verify });
  };
  const judge = async (name: string, who: readonly string[]): Promise<void> => {
    for (const one of who) {
      await results.call(`${name}: status of ${one}`, "status", { card: one });
      await results.call(`${name}: ${one} transmits`, "transmit", {
        card: one,
        apdu: Apdu.isVerified,
      });
      await results.call(`${name}: ${one} begins`, "begin", { card: one });
      await results.call(`${name}: ${one} ends`, "end", { card: one });
      await results.call(`${name}: ${one} controls`, "control", { card: one, code: 0x42000001 });
      await results.call(`${name}: ${one} asks`, "getattrib", { card: one, attribute: 0x90303 });
      await results.call(`${name}: ${one} reconnects`, "reconnect", { card: one });
      await results.call(`${name}: status of ${one} then`, "status", { card: one });
      const args = { card: one, apdu: Apdu.isVerified };
      await results.call(`${name}: ${one} transmits then`, "transmit", args);
    }
    for (const context of ["a", "b"]) await client.must("release", { context });
    if (!name.endsWith("unpower")) return;
    // A card without power may not be had again until it was out.
    await client.must("establish", { context: "moves" });
    await move(stage, "pull", "moves");
    await move(stage, "insert", "moves");
    await client.must("release", { context: "moves" });
  };
  for (const [name, disposition] of Object.entries(Disposition)) {
    await start();
    await client.must("begin", { card: "a" });
    await results.call(`end with ${name}`, "end", { card: "a", disposition });
    await judge(`after end with ${name}`, ["a", "b"]);

    await start();
    await results.call(`disconnect with ${name}`, "disconnect", { card: "a", disposition });
    await judge(`after disconnect with ${name}`, ["b"]);

    await start();
    const args = { card: "a", initialization: disposition };
    await results.call(`reconnect with ${name}`, "reconnect", args);
    await judge(`after reconnect with ${name}`, ["a", "b"]);
  }
}

/** The card is pulled under two handles, one in a transaction, and put in again. */
export async function removal(stage: Stage): Promise<void> {
  const { client, results } = stage;
  for (const name of ["a", "b"]) {
    await client.must("establish", { context: name });
    await client.must("connect", { context: name, card: name, reader });
  }
  await client.must("begin", { card: "a" });
  await move(stage, "pull", "a");
  const both = async (when: string): Promise<void> => {
    for (const name of ["a", "b"]) {
      await results.call(`${when}: status of ${name}`, "status", { card: name });
      const args = { card: name, apdu: Apdu.isVerified };
      await results.call(`${when}: ${name} transmits`, "transmit", args);
      await results.call(`${when}: ${name} begins`, "begin", { card: name });
    }
  };
  await both("card gone");
  await results.call("card gone: reconnect", "reconnect", { card: "a" });
  await results.call("card gone: reconnect with reset", "reconnect", {
    card: "a",
    initialization: Disposition.reset,
  });
  await results.call("card gone: connect", "connect", { context: "b", card: "none", reader });
  await results.call("card gone: end", "end", { card: "a" });
  await move(stage, "insert", "a");
  await both("card back");
  for (const name of ["a", "b"]) {
    await results.call(`card back: ${name} reconnects`, "reconnect", { card: name });
    await results.call(`card back: status of ${name} then`, "status", { card: name });
    const args = { card: name, apdu: Apdu.isVerified };
    await results.call(`card back: ${name} transmits then`, "transmit", args);
  }
  for (const context of ["a", "b"]) await client.must("release", { context });
}
