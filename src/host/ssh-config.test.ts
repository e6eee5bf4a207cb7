import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseKnownHosts, parseSshConfig } from "./ssh-config.ts";

test("finds the hosts that are no patterns, includes and files of known hosts", () => {
  const text = `
# Host commented
Host cardhost card-hub   other # and why
  HostName 192.0.2.1
hOsT=equal
  Host = "quoted"
Host *.example !not plain? good
Match host secret
Hostname no
Include ~/.ssh/conf.d/* "with blank"
UserKnownHostsFile ~/known /etc/known
GlobalKnownHostsFile none
Host
`;
  expect(parseSshConfig(text)).toEqual({
    hosts: ["cardhost", "card-hub", "other", "equal", "quoted", "good"],
    includes: ["~/.ssh/conf.d/*", "with blank"],
    knownHosts: ["~/known", "/etc/known", "none"],
  });
});

test("finds known hosts by the names that WHERE takes", () => {
  const text = `# comment
plain.example ssh-ed25519 AAAA
two.example,192.0.2.7 ssh-rsa AAAA with a comment
[odd.example]:2222,[six.example]:22 ssh-ed25519 AAAA
|1|c2FsdA==|aGFzaA== ssh-ed25519 AAAA
*.wild,!not.wild ssh-ed25519 AAAA
@revoked bad.example ssh-ed25519 AAAA
@cert-authority *.ca.example ssh-ed25519 AAAA

`;
  expect(parseKnownHosts(text)).toEqual([
    "plain.example",
    "two.example",
    "192.0.2.7",
    "ssh://odd.example:2222",
    "six.example",
  ]);
});

test("no text makes them throw, and what they find has no blanks or patterns", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii" }), (text) => {
      const found = [...parseSshConfig(`Host ${text}\n${text}`).hosts, ...parseKnownHosts(text)];
      expect(found.filter((host) => /[\s*?]/.test(host))).toEqual([]);
    }),
  );
});
