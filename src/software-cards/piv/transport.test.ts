import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChainedCommand, PendingAnswer } from "./transport.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const part = (cla: number, data: Uint8Array, ins = 0xdb) => ({
  cla,
  ins,
  p1: 0x3f,
  p2: 0xff,
  data,
});

describe("a command in several parts", () => {
  test("is what it was, wherever it is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 255 }), { minLength: 1 }), (parts) => {
        const chain = new ChainedCommand();
        const answers = parts.map((data, i) =>
          chain.add(part(i === parts.length - 1 ? 0 : 0x10, data)),
        );
        for (const answer of answers.slice(0, -1)) expect(answer).toEqual({ sw: 0x9000 });
        expect(answers.at(-1)).toEqual(part(0, Buffer.concat(parts)));
      }),
    );
  });

  test("ends when another one comes between", () => {
    const chain = new ChainedCommand();
    chain.add(part(0x10, Uint8Array.of(1)));
    expect(chain.add(part(0, Uint8Array.of(2), 0x20))).toMatchObject({ data: Buffer.of(2) });
    expect(chain.add(part(0, Uint8Array.of(3)))).toMatchObject({ data: Buffer.of(3) });
  });

  test("that never ends is refused", () => {
    const chain = new ChainedCommand();
    const parts = Array.from({ length: 65 }, () => chain.add(part(0x10, new Uint8Array(255))));
    expect(parts.at(-2)).toEqual({ sw: 0x9000 });
    expect(parts.at(-1)).toEqual({ sw: 0x6700 });
    expect(chain.add(part(0, Uint8Array.of(1)))).toMatchObject({ data: Buffer.of(1) });
  });
});

describe("a long answer", () => {
  const get = (le = 256) => ({ ...part(0, new Uint8Array(0), 0xc0), p1: 0, p2: 0, le });

  test("comes whole, whatever pieces are asked for", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), lengths, (data, [first, ...others]) => {
        const pending = new PendingAnswer();
        const pieces = [pending.first({ data, sw: 0x9000 }, first)];
        while (pieces.at(-1)?.sw !== 0x9000) {
          const left = data.length - Buffer.concat(pieces.map((piece) => piece.data)).length;
          expect(pieces.at(-1)?.sw).toBe(0x6100 | (left > 255 ? 0 : left));
          pieces.push(pending.next(get(others[pieces.length])));
        }
        expect(hex(Buffer.concat(pieces.map((piece) => piece.data)))).toBe(hex(data));
        expect(pending.next(get()).sw).toBe(0x6985);
      }),
    );
  });

  test("is given at most 256 bytes of where no length is asked for", () => {
    const answer = new PendingAnswer().first({ data: new Uint8Array(300), sw: 0x9000 }, undefined);
    expect(answer).toMatchObject({ data: { length: 256 }, sw: 0x612c });
  });

  test("keeps its status word for the end", () => {
    const pending = new PendingAnswer();
    expect(pending.first({ data: Uint8Array.of(1, 2), sw: 0x6282 }, 1).sw).toBe(0x6101);
    expect(pending.next(get(1)).sw).toBe(0x6282);
  });

  test("is asked for with 0 as parameters", () => {
    expect(new PendingAnswer().next({ ...get(), p2: 1 }).sw).toBe(0x6b00);
  });
});
