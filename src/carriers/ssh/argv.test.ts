import { describe, expect, test } from "vitest";
import { controlArguments, forwardArguments, masterArguments, shellArguments } from "./argv.ts";

const master = { destination: "me@cardhost", controlPath: "/run/d/c1" };
const settings = (args: readonly string[]) => args.filter((_, at) => args[at - 1] === "-o");

describe("masterArguments", () => {
  const args = masterArguments({ ...master, logPath: "/run/d/log1", canAsk: true });

  test("start a master in the background that ends when nobody holds it", () => {
    expect(args.slice(0, 7)).toEqual(["-M", "-S", "/run/d/c1", "-f", "-N", "-T", "-E"]);
    expect(settings(args)).toContain("ControlPersist=5");
  });

  test("limit how long the host may take to answer, if asked to", () => {
    expect(settings(args).join()).not.toContain("ConnectTimeout");
    const again = { ...master, logPath: "/run/d/log2", canAsk: false, connectSeconds: 15 };
    expect(settings(masterArguments(again))).toContain("ConnectTimeout=15");
  });

  test("end in the destination, which cannot be taken for an option", () => {
    expect(args.slice(-2)).toEqual(["--", "me@cardhost"]);
  });

  test("leave questions to a person where there is one, and only there", () => {
    expect(settings(args)).not.toContain("BatchMode=yes");
    const alone = masterArguments({ ...master, logPath: "/run/d/log1", canAsk: false });
    expect(settings(alone)).toContain("BatchMode=yes");
  });
});

test("the other commands leave the user's configuration out and keep the destination apart", () => {
  const sockets = {
    listens: "here",
    localSocket: "/run/d/f1",
    remoteSocket: "/run/pcscd/pcscd.comm",
  } as const;
  for (const args of [
    controlArguments(master, "check"),
    forwardArguments(master, "forward", sockets),
    shellArguments(master).slice(0, -1),
  ]) {
    expect(args.slice(0, 4)).toEqual(["-F", "none", "-S", "/run/d/c1"]);
    expect(args.slice(-2)).toEqual(["--", "me@cardhost"]);
  }
  const here = forwardArguments(master, "forward", sockets);
  expect(here.join(" ")).toContain("-O forward -L /run/d/f1:/run/pcscd/pcscd.comm");
  const there = forwardArguments(master, "cancel", { ...sockets, listens: "there" });
  expect(there.join(" ")).toContain("-O cancel -R /run/pcscd/pcscd.comm:/run/d/f1");
});

// The escaped forms were tried with OpenSSH 9.2.
test("paths reach ssh as they are", () => {
  const odd = { listens: "here", localSocket: "/d/we:ird%h\\x/f", remoteSocket: "/r" } as const;
  expect(forwardArguments(master, "forward", odd)).toContain(String.raw`/d/we\:ird%%h\\x/f:/r`);
  expect(controlArguments({ ...master, controlPath: "/d/p%h" }, "exit")).toContain("/d/p%%h");
  expect(() =>
    forwardArguments(master, "forward", { ...odd, remoteSocket: ["/r/$", "{HOME}"].join("") }),
  ).toThrow(expect.objectContaining({ code: "E_SOCKET_PATH" }));
});
