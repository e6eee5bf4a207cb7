import { expect, test } from "vitest";
import { explainComplaint } from "./complaints.ts";

const attempt = { destination: "me@cardhost", ssh: ["ssh", "-F", "file"], canAsk: false };

const CHANGED = `@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:leuAnaJwrBAk0mwZzbk7J56jLp4MmGfBew3W+hUkIwI.
Please contact your system administrator.
Add correct host key in /home/me/.ssh/known_hosts to get rid of this message.
Offending ED25519 key in /home/me/.ssh/known_hosts:1
  remove with:
  ssh-keygen -f "/home/me/.ssh/known_hosts" -R "[127.0.0.1]:22931"
Host key for [127.0.0.1]:22931 has changed and you have requested strict checking.
Host key verification failed.
`;

test.each([
  ["demo", "Readers of cardwire itself are written with a colon: demo:"],
  ["software", "Readers of cardwire itself are written with a colon: software:"],
  ["me@demo", "Check the name's spelling, the network and ~/.ssh/config."],
])("a host %s that is not found", (destination, hint) => {
  const words = "ssh: Could not resolve hostname demo: Name or service not known";
  expect(explainComplaint(words, { ...attempt, destination })).toMatchObject({ hint });
});

// Words of OpenSSH 9.2p1, as it wrote them when each was provoked.
test.each([
  [
    "ssh: Could not resolve hostname nosuchhost.invalid: Name or service not known",
    "E_SSH_HOST",
    "Could not resolve hostname nosuchhost.invalid: Name or service not known",
  ],
  [
    "unix_listener: cannot bind to path /run/user/1000/c1.GsHcdBRtsEUuUH8p: No space left on device",
    "E_DISK_FULL",
    "unix_listener: cannot bind to path /run/user/1000/c1.GsHcdBRtsEUuUH8p: No space left on device",
  ],
  ["hostname contains invalid characters", "E_SSH_HOST", "hostname contains invalid characters"],
  [
    "nobody@127.0.0.1: Permission denied (publickey,password,keyboard-interactive).",
    "E_SSH_AUTH",
    "nobody@127.0.0.1: Permission denied (publickey,password,keyboard-interactive)",
  ],
  [
    'no such identity: /home/me/.ssh/x: No such file or directory\n/etc/ssh/ssh_config line 9: Deprecated option "rsaauthentication"\nme@h: Permission denied (publickey).',
    "E_SSH_AUTH",
    "me@h: Permission denied (publickey)",
  ],
  [
    CHANGED,
    "E_SSH_HOST_KEY",
    "Host key for [127.0.0.1]:22931 has changed and you have requested strict checking",
  ],
  [
    "No ED25519 host key is known for [127.0.0.1]:22931 and you have requested strict checking.\nHost key verification failed.",
    "E_SSH_HOST_KEY",
    "No ED25519 host key is known for [127.0.0.1]:22931 and you have requested strict checking",
  ],
  ["Host key verification failed.", "E_SSH_HOST_KEY", "Host key verification failed"],
  [
    "ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n",
    "E_SSH_UNREACHABLE",
    "connect to host 127.0.0.1 port 1: Connection refused",
  ],
  [
    "Connection timed out during banner exchange\nConnection to 127.0.0.1 port 22942 timed out",
    "E_SSH_UNREACHABLE",
    "Connection timed out during banner exchange",
  ],
  [
    "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535",
    "E_SSH_UNREACHABLE",
    "kex_exchange_identification: Connection closed by remote host",
  ],
  [
    "Timeout, server 127.0.0.1 not responding.",
    "E_SSH_UNREACHABLE",
    "Timeout, server 127.0.0.1 not responding",
  ],
  [
    "bad: line 1: Bad configuration option: bogus\nbad: terminating, 1 bad configuration options",
    "E_SSH_CONFIG",
    "bad: line 1: Bad configuration option: bogus",
  ],
  [
    "bad line 2: Bad port 'abc'.\nbad: terminating, 1 bad configuration options",
    "E_SSH_CONFIG",
    "bad line 2: Bad port 'abc'",
  ],
  [
    "Can't open user config file /nonexistent: No such file or directory",
    "E_SSH_CONFIG",
    "Can't open user config file /nonexistent: No such file or directory",
  ],
  [
    "unknown option -- Z\nusage: ssh [-46AaCfGgKkMNnqsTtVvXxYy] [-B bind_interface]\n           [-w local_tun[:remote_tun]] destination [command [argument ...]]",
    "E_SSH_CONFIG",
    "unknown option -- Z",
  ],
  [
    "Unable to negotiate with 127.0.0.1 port 22931: no matching host key type found. Their offer: ssh-ed25519",
    "E_SSH",
    "Unable to negotiate with 127.0.0.1 port 22931: no matching host key type found. Their offer: ssh-ed25519",
  ],
  ["one\n\u001b[31mtwo\u001b[0m\n\n", "E_SSH", "[31mtwo[0m"],
  ["", "E_SSH", "it ended without a word"],
])("%j", (words, code, message) => {
  const error = explainComplaint(words, attempt);
  expect([error.code, error.message]).toEqual([code, `ssh to me@cardhost: ${message}`]);
  expect(error.hint).toMatch(/\S/);
});

test("a changed host key comes with the command that forgets the old one", () => {
  expect(explainComplaint(CHANGED, attempt).hint).toContain(
    'ssh-keygen -f "/home/me/.ssh/known_hosts" -R "[127.0.0.1]:22931"',
  );
  const upstream = "Host key for cardhost has changed and you have requested strict checking.";
  expect(explainComplaint(upstream, attempt).hint).toContain('ssh-keygen -R "cardhost"');
});

test("a refused login says what to do where nobody can be asked", () => {
  const words = "me@h: Permission denied (publickey).";
  expect(explainComplaint(words, attempt).hint).toContain("ssh-add");
  expect(explainComplaint(words, { ...attempt, canAsk: true }).hint).toBe(
    "Try it by hand: ssh -F file me@cardhost true",
  );
});

test("nothing of ssh's words steers a terminal, in the hint neither", () => {
  const words =
    "Host key for \u001b[31mcardhost has changed and you have requested strict checking.";
  const { message, hint = "" } = explainComplaint(words, attempt);
  expect(`${message}${hint}`).not.toMatch(/\p{Cc}/u);
  expect(hint).toContain('ssh-keygen -R "[31mcardhost"');
});
