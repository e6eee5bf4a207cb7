import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Rv } from "../../domain/return-codes.ts";
import { Registration } from "./registration.ts";

describe("Registration", () => {
  test("who does not wait is sent nothing, and STOP is not answered", () => {
    const registration = new Registration();
    expect(registration.notify(Rv.Success)).toBe(false);
    expect(registration.stop()).toBeUndefined();
    expect(registration.arrayIsOut()).toBeUndefined();
  });

  test("one event ends it, and serves as the answer to STOP", () => {
    const registration = new Registration();
    registration.register({ held: false });
    expect(registration.notify(Rv.Success)).toBe(true);
    expect(registration.notify(Rv.Success)).toBe(false);
    expect(registration.stop()).toBeUndefined();
  });

  test("STOP ends it", () => {
    const registration = new Registration();
    registration.register({ held: false });
    expect(registration.stop()).toBe(0);
    expect(registration.notify(Rv.Success)).toBe(false);
  });

  test("what happens before the array is out follows it", () => {
    const registration = new Registration();
    registration.register({ held: true });
    expect(registration.notify(Rv.Success)).toBe(false);
    expect(registration.notify(Rv.Success)).toBe(false);
    expect(registration.arrayIsOut()).toBe(0);
    expect(registration.stop()).toBeUndefined();
  });

  test("nothing happens: it waits from the array on", () => {
    const registration = new Registration();
    registration.register({ held: true });
    expect(registration.isHeld).toBe(true);
    expect(registration.arrayIsOut()).toBeUndefined();
    expect(registration.notify(Rv.Cancelled)).toBe(true);
  });

  test("a cancellation is not lost behind a change, nor before STOP", () => {
    const registration = new Registration();
    registration.register({ held: true });
    registration.notify(Rv.Cancelled);
    registration.notify(Rv.Success);
    expect(registration.stop()).toBe(Rv.Cancelled);
  });

  test("sends exactly one message for each registration that is seen through, whatever happens", () => {
    const steps = fc.array(
      fc.constantFrom("wait", "hold", "array", "change", "cancel", "stop" as const),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const registration = new Registration();
        let owed = 0;
        const left: number[] = [];
        for (const step of all) {
          if (step === "wait" || step === "hold") {
            registration.register({ held: step === "hold" });
            owed = 1;
          }
          if (step === "array" && registration.arrayIsOut() !== undefined) owed -= 1;
          if (step === "change" && registration.notify(Rv.Success)) owed -= 1;
          if (step === "cancel" && registration.notify(Rv.Cancelled)) owed -= 1;
          if (step === "stop") {
            if (registration.stop() !== undefined) owed -= 1;
            left.push(owed);
          }
          left.push(Math.min(owed, 0));
        }
        expect(left.filter((messages) => messages !== 0)).toEqual([]);
      }),
    );
  });
});
