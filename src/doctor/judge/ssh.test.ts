import { expect, test } from "vitest";
import { CardwireError } from "../../domain/errors.ts";
import { judgeSsh, type SshFacts } from "./ssh.ts";

const facts: SshFacts = {
  destination: "cardhost",
  command: ["ssh"],
  client: "OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15",
  server: "OpenSSH_9.9p2",
  tookMs: 320,
};

const said = (changed: Partial<SshFacts>) =>
  judgeSsh({ ...facts, ...changed }).map(({ check, level }) => `${check} ${level}`);

test.each([
  ["OpenSSH_6.6.1p1 Ubuntu-2ubuntu2", "ssh-client-old fault"],
  ["OpenSSH_5.3p1", "ssh-client-old fault"],
  ["OpenSSH_6.7p1 Debian-5", "ssh-client good"],
  ["OpenSSH_10.0p2 Debian-7, OpenSSL 3.5.1", "ssh-client good"],
  ["Dropbear v2022.83", "ssh-client-unknown note"],
  [undefined, "ssh-client-unknown note"],
])("a client that says %j", (client, expected) => {
  expect(said({ client })).toContain(expected);
});

// A banner cannot be changed on the way, since it is part of the key exchange: no test with real programs has an old one.
test.each([
  ["OpenSSH_6.6.1", "sshd-old fault"],
  ["OpenSSH_for_Windows_9.5", "sshd-not-openssh note"],
  ["dropbear_2022.83", "sshd-not-openssh note"],
  ["OpenSSH_8.0", "sshd-version good"],
])("a server that calls itself %j", (server, expected) => {
  expect(said({ server })).toContain(expected);
});

test.each([
  ["E_SSH_AUTH", "ssh-login-refused"],
  ["E_SSH_HOST", "ssh-host-unknown"],
  ["E_SSH", "ssh-failed"],
  ["E_DISK_FULL", "ssh-failed"],
])("%s is %s, with its own hint", (code, check) => {
  const failure = new CardwireError(code, "what happened", { hint: "what to do" });
  const found = judgeSsh({ ...facts, failure });
  expect(found).toContainEqual({
    check,
    level: "fault",
    what: "what happened",
    remedy: "what to do",
  });
  expect(found.map((one) => one.check)).not.toContain("ssh-connects");
});

test("a login without an end", () => {
  expect(said({ failure: "silent" })).toEqual(["ssh-client good", "ssh-silent fault"]);
});

test("without a program nothing else is told", () => {
  const failure = new CardwireError("E_NO_SSH", "there is no program ssh to run");
  expect(said({ failure, client: undefined })).toEqual(["ssh-missing fault"]);
});
