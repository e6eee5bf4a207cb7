import { describe, expect, test } from "vitest";
import { isComplete, parseHost } from "./host-facts.ts";

const output = `Welcome to cardhost
cardwire-probe-1
user=bob
uid=1000
installed=yes
polkit=yes
connect=ok
end=yes
cardwire-doctor-1
pcscd.version=2.3.3
pcscd.features=USB serial polkit systemd
pcscd.args=/usr/sbin/pcscd --foreground --auto-exit
scdaemon.pid=412
polkit.runs=yes
pcscd.connections=3
unit.socket=active enabled
unit.service=inactive indirect
polkit.version=126
ccid=/usr/lib/pcsc/drivers/ifd-ccid.bundle
usb=YubiKey \u001b[2JOTP
usb=YubiKey \u001b[2JOTP
client=412 bob scdaemon
client=nonsense
sshd=/etc/ssh/sshd_config:57:  AllowTcpForwarding no
scratch=/run/user/1000/cardwire-doctor-a1b2c3
done=yes
`;

describe("what the script told", () => {
  test("becomes facts", () => {
    expect(parseHost(output)).toMatchObject({
      user: "bob",
      connect: "ok",
      version: "2.3.3",
      features: ["USB", "serial", "polkit", "systemd"],
      running: ["/usr/sbin/pcscd --foreground --auto-exit"],
      connections: 3,
      units: {
        socket: { active: "active", enabled: "enabled" },
        service: { active: "inactive", enabled: "indirect" },
      },
      polkitVersion: "126",
      polkitRuns: true,
      clients: [{ pid: 412, user: "bob", program: "scdaemon" }],
      scdaemons: [412],
      sshdConfig: [{ file: "/etc/ssh/sshd_config", line: 57, text: "AllowTcpForwarding no" }],
      scratch: "/run/user/1000/cardwire-doctor-a1b2c3",
    });
  });

  test("cannot move a terminal's cursor, and says each device once", () => {
    expect(parseHost(output)?.usb).toEqual(["YubiKey ?[2JOTP"]);
  });

  test("is nothing where there is no shell", () => {
    expect(parseHost("This account is not available.\n")).toBeUndefined();
    expect(parseHost(output.replace("cardwire-doctor-1\n", ""))).toBeUndefined();
  });

  test("may lack whatever is not there", () => {
    const bare = output.replaceAll(/^(unit|pcscd\.version|polkit\.|ccid|scratch).*\n/gm, "");
    expect(parseHost(bare)).toMatchObject({
      version: undefined,
      units: undefined,
      polkitRuns: false,
      ccid: undefined,
      scratch: undefined,
    });
  });

  test("is complete at its last line", () => {
    expect(isComplete(output)).toBe(true);
    expect(isComplete(output.replace("done=yes\n", "don"))).toBe(false);
  });
});
