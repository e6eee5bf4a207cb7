import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import type { SoftwareCard } from "../software-cards/card.ts";
import { SoftwareReaders } from "../services/software/service.ts";
import type { Card } from "./card.ts";
import { type Client } from "./client.ts";
import { connect } from "./connect.ts";
import type { Share } from "./names.ts";

const READER = "Software 00 00";
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytes = (text: string) => Buffer.from(text, "hex");

/** Answers from a table, and remembers what it was asked. */
class Scripted implements SoftwareCard {
  readonly atr = bytes("3b80800101");
  readonly asked: string[] = [];
  resets = 0;
  readonly #answers: Readonly<Record<string, string>>;

  constructor(answers: Readonly<Record<string, string>> = {}) {
    this.#answers = answers;
  }

  reset(): void {
    this.resets += 1;
  }

  process(command: Uint8Array): Uint8Array {
    this.asked.push(hex(command));
    return bytes(this.#answers[hex(command)] ?? "9000");
  }
}

async function withCard(
  card: SoftwareCard,
  use: (card: Card, client: Client, readers: SoftwareReaders) => Promise<void>,
): Promise<void> {
  const readers = new SoftwareReaders([READER, "Software 01 00"]);
  await readers.insert(READER, card);
  await using client = await connect(readers);
  await using connected = await client.connect(READER);
  await use(connected, client, readers);
}

describe("a command", () => {
  test("is sent once, and its answer taken apart", async () => {
    const card = new Scripted({ "00a4040002c0de00": "01029000" });
    await withCard(card, async (connected) => {
      const command = { ins: 0xa4, p1: 4, data: bytes("c0de"), le: 256 };
      expect(await connected.command(command)).toEqual({ data: Uint8Array.of(1, 2), sw: 0x9000 });
      expect(card.asked).toEqual(["00a4040002c0de00"]);
    });
  });

  test("whose answer comes in pieces is put together", async () => {
    const card = new Scripted({
      "80ca000000": "aa6102",
      "80c0000002": "bbcc6100",
      "80c0000000": "dd6283",
    });
    await withCard(card, async (connected) => {
      const { data, sw } = await connected.command({ cla: 0x80, ins: 0xca, le: 256 });
      expect([hex(data), sw]).toEqual(["aabbccdd", 0x6283]);
    });
  });

  test("with a wrong Le is sent again with the right one, once", async () => {
    const card = new Scripted({ "00b0000000": "6c04", "00b0000004": "6c02" });
    await withCard(card, async (connected) => {
      expect((await connected.command({ ins: 0xb0, le: 256 })).sw).toBe(0x6c02);
      expect(card.asked).toEqual(["00b0000000", "00b0000004"]);
    });
  });

  test("that has to succeed tells what the card said instead", async () => {
    const card = new Scripted({ "0020008000": "63c2" });
    await withCard(card, async (connected) => {
      const failed = connected.must({ ins: 0x20, p2: 0x80, le: 256 });
      await expect(failed).rejects.toMatchObject({
        code: "E_STATUS_WORD",
        sw: 0x63c2,
        message: "the card answered 63c2: wrong, and few tries are left",
      });
    });
  });

  test("without a status word is refused", async () => {
    await withCard(new Scripted({ "00000000": "90" }), async (connected) => {
      await expect(connected.command({ ins: 0 })).rejects.toMatchObject({
        code: "SCARD_F_COMM_ERROR",
      });
    });
  });
});

describe("a transaction", () => {
  test("keeps others off until it is disposed", async () => {
    await withCard(new Scripted(), async (connected, client) => {
      await using other = await client.connect(READER);
      {
        await using _transaction = await connected.transaction();
        await expect(other.transmit(bytes("00000000"))).rejects.toMatchObject({
          code: "SCARD_E_SHARING_VIOLATION",
        });
      }
      await other.transmit(bytes("00000000"));
    });
  });

  test("waits its turn, and gives up when told", async () => {
    await withCard(new Scripted(), async (connected, client) => {
      await using other = await client.connect(READER);
      const held = await connected.transaction();
      const stop = new AbortController();
      const givenUp = other.transaction({ signal: stop.signal });
      stop.abort(new Error("enough"));
      await expect(givenUp).rejects.toThrow("enough");
      const waiting = other.transaction();
      await held.end();
      await (await waiting).end("reset");
      await expect(other.status()).rejects.toMatchObject({ code: "SCARD_W_RESET_CARD" });
      await other.reconnect();
      await other.status();
    });
  });

  test("is over without an error when the card was pulled", async () => {
    await withCard(new Scripted(), async (connected, _client, readers) => {
      await using _transaction = await connected.transaction();
      readers.pull(READER);
    });
  });
});

describe("a card that does not answer", () => {
  class Deaf extends Scripted {
    override process(command: Uint8Array): Uint8Array {
      const answer = super.process(command);
      if (command[1] !== 0xff) return answer;
      return new Promise<Uint8Array>(() => {}) as unknown as Uint8Array;
    }
  }
  const command = { ins: 0xff };

  test("is not waited for longer than told, and lets go of the signal", async () => {
    await withCard(new Deaf(), async (connected) => {
      const stop = new AbortController();
      await connected.command({ ins: 1 }, { signal: stop.signal });
      const waiting = connected.command(command, { signal: stop.signal });
      stop.abort(new Error("enough"));
      await expect(waiting).rejects.toThrow("enough");
      await expect(connected.must({ ins: 1 }, { signal: stop.signal })).rejects.toThrow("enough");
      expect(getEventListeners(stop.signal, "abort")).toEqual([]);
    });
  });

  test("keeps no client from its end, not even in a transaction", async () => {
    const readers = new SoftwareReaders([READER]);
    await readers.insert(READER, new Deaf());
    const client = await connect(readers);
    const connected = await client.connect(READER);
    await connected.transaction();
    const told = Promise.allSettled([connected.command(command)]);
    await client[Symbol.asyncDispose]();
    expect(await told).toMatchObject([{ reason: { code: "SCARD_E_NO_SMARTCARD" } }]);
  });
});

test("what is closed says so", async () => {
  const readers = new SoftwareReaders([READER]);
  await readers.insert(READER, new Scripted());
  const client = await connect(readers);
  const closed = await client.connect(READER);
  await closed.disconnect();
  const refusal = { code: "SCARD_E_INVALID_HANDLE" };
  await expect(closed.transmit(bytes("00000000"))).rejects.toMatchObject(refusal);
  await expect(closed.transaction()).rejects.toMatchObject(refusal);
  await expect(closed.reconnect()).rejects.toMatchObject(refusal);
  const left = await client.connect(READER);
  const told = Promise.allSettled([client.waitForCard({ reader: "No*" })]);
  await client[Symbol.asyncDispose]();
  await client[Symbol.asyncDispose]();
  expect(await told).toMatchObject([{ reason: { code: "E_CLOSED" } }]);
  await expect(left.status()).rejects.toMatchObject(refusal);
  await expect(client.connect(READER)).rejects.toMatchObject({ code: "E_CLOSED" });
});

test("what no compiler checked is refused by name", async () => {
  await withCard(new Scripted(), async (connected, client) => {
    const apdu = "00000000" as unknown as Uint8Array;
    await expect(connected.transmit(apdu)).rejects.toThrow("an APDU is a Uint8Array");
    const share = "alone" as Share;
    await expect(client.connect(READER, { share })).rejects.toThrow(
      '"alone" is none of "exclusive", "shared", "direct"',
    );
  });
});

test("a program that forgets to end leaves nothing verified behind", async () => {
  const card = new Scripted();
  const readers = new SoftwareReaders([READER]);
  await readers.insert(READER, card);
  const client = await connect(readers);
  const connected = await client.connect(READER);
  await connected.transaction();
  const before = card.resets;
  await client[Symbol.asyncDispose]();
  expect(card.resets).toBeGreaterThan(before);
});

test("readers are followed, and a card awaited", async () => {
  const readers = new SoftwareReaders([READER, "Other 00 00"]);
  await using client = await connect(readers);
  const waiting = client.waitForCard({ reader: "Soft*" });
  await readers.insert("Other 00 00", new Scripted());
  await readers.insert(READER, new Scripted());
  expect((await waiting).name).toBe(READER);
  const stop = AbortSignal.abort(new Error("enough"));
  await expect(client.waitForCard({ reader: "No*", signal: stop })).rejects.toThrow("enough");
});

test("modes and protocols have names", async () => {
  await withCard(new Scripted(), async (connected, client) => {
    expect(connected.protocol).toBe("T=1");
    await connected.disconnect("unpower");
    await connected.disconnect();
    await using direct = await client.connect("Software 01 00", { share: "direct" });
    expect(direct.protocol).toBeUndefined();
    await using alone = await client.connect(READER, { share: "exclusive", protocols: ["T=0"] });
    expect(alone.protocol).toBe("T=0");
    await expect(client.connect(READER)).rejects.toMatchObject({
      code: "SCARD_E_SHARING_VIOLATION",
    });
  });
});

test("what is no place is refused, and says what would be", async () => {
  await expect(connect("nats://host")).rejects.toMatchObject({ code: "E_WHERE" });
});

test("a lease comes from the service, and where that gives none it is said", async () => {
  const readers = new SoftwareReaders([READER]);
  await using client = await connect(readers);
  await expect(client.lease(READER)).rejects.toMatchObject({
    code: "E_LEASE",
    why: "not-offered",
  });
  const asked: unknown[] = [];
  const leasing = Object.assign(new SoftwareReaders([READER]), {
    lease: async (...args: readonly unknown[]) => {
      asked.push(args.slice(0, 2));
      return { fence: 1 };
    },
  });
  await using other = await connect(leasing);
  expect(await other.lease(READER, { forMs: 5_000 })).toEqual({ fence: 1 });
  expect(asked).toEqual([[READER, { forMs: 5_000, wait: true, onPlace: undefined }]]);
});
