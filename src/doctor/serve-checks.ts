import { type Check, check } from "./check.ts";

/** What can be said of a card host that was joined, and of a `cardwire serve` on this computer. */
export const serveChecks = {
  "joined-unknown": check("joined", ["fault"], "No host of that name or address was joined."),
  "joined-state": check(
    "joined",
    ["fault"],
    "What is known here of the card host is damaged, or open to others.",
  ),
  "joined-certificate": check(
    "joined",
    ["good", "note"],
    "Until when our certificate holds. It is renewed by itself, unless it is an organisation's.",
  ),
  "joined-certificate-expired": check(
    "joined",
    ["fault"],
    "Our certificate has expired: this computer was off for too long.",
  ),
  "joined-clock": check(
    "joined",
    ["fault"],
    "The clocks of the two computers differ by so much that one of them takes a good certificate for expired, or for one of the future.",
  ),
  "joined-address": check(
    "joined",
    ["good"],
    "The card host answers at this address, and is the one that was joined.",
  ),
  "joined-name-unknown": check(
    "joined",
    ["fault", "note"],
    "A name of the card host's is not known here. A note where another of its addresses serves.",
  ),
  "joined-unreachable": check(
    "joined",
    ["fault", "note"],
    "Nobody answers at an address of the card host's. A note where another one serves.",
  ),
  "joined-peer": check(
    "joined",
    ["fault", "warning"],
    "Somebody else answers at an address of the card host's: one with another authority, or none.",
  ),
  "joined-link": check("joined", ["good"], "The card host let us in, and opened a link."),
  "joined-refused": check(
    "joined",
    ["fault"],
    "The card host does not let us in: revoked, unknown, or not welcome any more.",
  ),
  "joined-link-failed": check(
    "joined",
    ["fault"],
    "The card host answers, and there is no link all the same.",
  ),
  "joined-release": check(
    "joined",
    ["note"],
    "The card host runs another release of cardwire. Both go on; what only one knows is left out.",
  ),
  "joined-no-readers": check(
    "joined",
    ["warning"],
    "The card host shows us no readers: it has none, or none that we may see.",
  ),

  "serve-state": check(
    "serve",
    ["fault"],
    "The state directory of serve is open to others, somebody else's, or damaged. It does not start so.",
  ),
  "serve-authority": check(
    "serve",
    ["good", "warning", "fault"],
    "Until when the card host's own authority holds. Afterwards everybody has to be invited again.",
  ),
  "serve-certificate": check(
    "serve",
    ["good", "fault"],
    "Until when the card host's certificate holds. A serve that runs renews it.",
  ),
  "serve-runs": check("serve", ["good"], "A serve of this user runs and answers its commands."),
  "serve-stopped": check("serve", ["note"], "People were let in here, and no serve runs."),
  "serve-silent": check("serve", ["fault"], "A serve runs, and does not answer its commands."),
  "serve-port-taken": check(
    "serve",
    ["warning"],
    "No serve runs, and another program listens at its port.",
  ),
  "serve-local": check(
    "serve",
    ["good", "note"],
    "Whether users of this computer, who come by ssh, can join the serve that runs.",
  ),
} as const satisfies Readonly<Record<string, Check>>;
