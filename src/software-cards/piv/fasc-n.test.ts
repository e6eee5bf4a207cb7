import { expect, test } from "vitest";
import { encodeFascN, nobodysFascN } from "./fasc-n.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("the example of the implementation guidance for physical access control", () => {
  const example = {
    agency: "0032",
    system: "0001",
    credential: "092446",
    series: "0",
    issue: "1",
    person: "1112223333",
    category: "1",
    organization: "1223",
    association: "2",
  };
  expect(hex(encodeFascN(example))).toBe("d0439458210c2c19a0846d83685a1082108ce73984108ca3fc");
});

test("nobody's begins with fourteen nines", () => {
  expect(hex(encodeFascN(nobodysFascN))).toMatch(/^d4e739da739ced39ce739d/);
});
