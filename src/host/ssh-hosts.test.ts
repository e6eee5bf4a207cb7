import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sshHosts } from "./ssh-hosts.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cardwire-hosts-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, text: string): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}
const found = (config?: string) =>
  sshHosts({ config, home: join(root, "home"), system: join(root, "etc") });

test("nothing there, nothing found", async () => {
  expect(await found()).toEqual([]);
});

test("the user's and the system's files, and what they include, each relative to its own folder", async () => {
  write("home/.ssh/config", "Include conf.d/*.conf\nHost mine\nUserKnownHostsFile ~/.ssh/more\n");
  write("home/.ssh/conf.d/a.conf", "Host first\nInclude ~/deep/*/x\n");
  write("home/.ssh/conf.d/.hidden.conf", "Host hidden");
  write("home/.ssh/conf.d/other", "Host other");
  write("home/deep/one/x", "Host deep1");
  write("home/deep/two/x", "Host deep2");
  write("home/.ssh/known_hosts", "known.example ssh-ed25519 AAAA\nmine ssh-ed25519 AAAA\n");
  write("home/.ssh/more", "more.example ssh-ed25519 AAAA\n");
  write("etc/ssh_config", "Host everybody\nInclude ssh_config.d/*\n");
  write("etc/ssh_config.d/z", "Host drop-in\n");
  write("etc/ssh_known_hosts", "site.example ssh-ed25519 AAAA\n");
  expect(new Set(await found())).toEqual(
    new Set([
      ..."first deep1 deep2 mine everybody drop-in".split(" "),
      ..."known.example more.example site.example".split(" "),
    ]),
  );
});

test("with -F, that file alone, and the known hosts", async () => {
  write("home/.ssh/config", "Host mine\n");
  write("etc/ssh_config", "Host everybody\n");
  write("home/.ssh/known_hosts", "known.example ssh-ed25519 AAAA\n");
  expect(await found(write("own", "Host only\n"))).toEqual(["only", "known.example"]);
});

test("files that include one another, and more than anybody has, come to an end", async () => {
  write("home/.ssh/config", "Host a\nInclude config loop/*\n");
  for (let number = 0; number < 200; number += 1)
    write(`home/.ssh/loop/${number}`, `Host h${number}\nInclude config loop/*\n`);
  const hosts = await found();
  expect(hosts).toContain("a");
  expect(hosts.length).toBeLessThan(100);
});

test("what is no file is passed over", async () => {
  write("home/.ssh/config", "Host a\nInclude zero dir missing\n");
  symlinkSync("/dev/zero", join(root, "home/.ssh/zero"));
  mkdirSync(join(root, "home/.ssh/dir"));
  expect(await found()).toEqual(["a"]);
});
