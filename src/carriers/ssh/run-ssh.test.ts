import { expect, test } from "vitest";
import { runSsh } from "./run-ssh.ts";

const apart = (signal = AbortSignal.timeout(10_000)) => ({ terminal: "apart" as const, signal });

test("gives status and output", async () => {
  const script = "cat; echo bad >&2; exit 3";
  expect(await runSsh(["sh", "-c"], [script], { ...apart(), input: "good" })).toEqual({
    status: 3,
    stdout: "good",
    stderr: "bad\n",
  });
});

test("does not wait for a child that keeps standard error open", async () => {
  const result = await runSsh(["sh", "-c"], ["echo words >&2; sleep 30 & echo $!"], apart());
  process.kill(Number(result.stdout));
  expect(result).toMatchObject({ status: 0, stderr: "words\n" });
});

test("has no terminal to ask at", async () => {
  const script = "echo $SSH_ASKPASS_REQUIRE; : </dev/tty";
  const result = await runSsh(["sh", "-c"], [script], apart());
  expect(result.stdout).toBe("never\n");
  expect(result.status).not.toBe(0);
});

test("ends with the signal's reason", async () => {
  const stop = new AbortController();
  const running = runSsh(["sleep"], ["30"], apart(stop.signal));
  stop.abort(new Error("enough"));
  await expect(running).rejects.toThrow("enough");
});

test("a missing program is explained", async () => {
  await expect(runSsh(["no-such-ssh"], [], apart())).rejects.toMatchObject({
    code: "E_NO_SSH",
    hint: expect.stringContaining("openssh-client"),
  });
});
