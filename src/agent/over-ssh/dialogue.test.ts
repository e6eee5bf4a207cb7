import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { Dialogue } from "./dialogue.ts";

/** What a host's shell is taken to have found, when it is this script. */
async function look(script: string) {
  const child = spawn("sh", ["-c", script]);
  const dialogue = new Dialogue(child);
  try {
    return await dialogue.look(undefined, { signal: AbortSignal.timeout(20_000) });
  } finally {
    child.kill("SIGKILL");
    await dialogue.end();
  }
}

const NODE = "cardwire-look: node v18.19.0 /usr/bin/node";

test("what a shell found is told apart from its greeting", async () => {
  const script = `echo Welcome; echo 'see cardwire-look: below'; echo '${NODE}'; echo 'cardwire-look: end'; cat`;
  expect(await look(script)).toEqual({
    cardwire: undefined,
    node: { version: "v18.19.0", path: "/usr/bin/node" },
  });
});

// Each is given up long before the 15 s that a slow host may take.
test.each([
  ["greets", "x".repeat(30_000)],
  ["finds something", NODE],
])("a shell that %s without end is given up", { timeout: 8_000 }, async (_, line) => {
  expect(await look(`exec yes '${line}'`)).toBeUndefined();
});
