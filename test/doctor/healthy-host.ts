import type { HostFacts } from "../../src/doctor/host-facts.ts";

/** A card host on which all is well, as Debian 13 has it. */
export const healthyHost: HostFacts = {
  user: "bob",
  root: false,
  installed: true,
  polkit: false,
  connect: "ok",
  version: "2.3.3",
  features: ["USB", "serial", "systemd"],
  running: ["/usr/sbin/pcscd --foreground --auto-exit"],
  connections: 3,
  units: {
    socket: { active: "active", enabled: "enabled" },
    service: { active: "active", enabled: "indirect" },
  },
  polkitVersion: "126",
  polkitRuns: true,
  ccid: "/usr/lib/pcsc/drivers/ifd-ccid.bundle",
  usb: [],
  clients: [],
  scdaemons: [],
  sshdConfig: [],
  scratch: "/run/user/1000/cardwire-doctor-a1b2c3",
};
