import { describe, expect, test } from "vitest";
import { Rv } from "../../domain/return-codes.ts";
import { answerVersion } from "./handshake.ts";

const first = { wasAskedDown: false, slots: 16 };

describe("answerVersion", () => {
  test.each([2, 3, 4, 5, 6])("4:%i is told its own version", (minor) => {
    const answer = answerVersion({ major: 4, minor }, first);
    expect(answer).toMatchObject({ major: 4, minor, rv: 0, dialect: { minor } });
  });

  test.each([7, 8, 99])("4:%i is asked down to 4:6, but only once", (minor) => {
    const answer = answerVersion({ major: 4, minor }, first);
    expect(answer).toEqual({ major: 4, minor: 6, rv: Rv.ServiceStopped });
    const again = answerVersion({ major: 4, minor }, { ...first, wasAskedDown: true });
    expect(again).toMatchObject({ major: 4, minor: 6, rv: 0, dialect: { minor: 6 } });
  });

  test.each([
    [4, 1],
    [4, 0],
    [4, -1],
    [3, 4],
    [5, 0],
    [0, 6],
  ])("%i:%i is refused", (major, minor) => {
    const answer = answerVersion({ major, minor }, first);
    expect(answer.rv).toBe(Rv.NoService);
    expect(answer).not.toHaveProperty("dialect");
  });

  test("fixed arrays have as many slots as is said, lists their own", () => {
    const slots = { wasAskedDown: false, slots: 48 };
    expect(answerVersion({ major: 4, minor: 4 }, slots).dialect?.slots).toBe(48);
    expect(answerVersion({ major: 4, minor: 6 }, slots).dialect?.slots).toBe("list");
  });
});
