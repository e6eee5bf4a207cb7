import { POLKIT_ACTIONS, polkitRule, RULE_FILE } from "../../carriers/pcscd-silence.ts";
import { PCSCD_SOCKET } from "../../carriers/ssh/carrier.ts";
import type { Reader } from "../../domain/card-service.ts";
import { type Finding, finding, on, type Place } from "../finding.ts";
import type { HostFacts } from "../host-facts.ts";

/** What became of talking to a pcscd. */
export type DaemonFacts =
  | {
      readonly state: "answers";
      /** Such as `4:4`. */
      readonly protocol: string;
      readonly readers: readonly Reader[];
      /** Of one exchange; undefined when it went away meanwhile. */
      readonly roundTripMs: number | undefined;
    }
  | {
      /**
       * `nobody` accepts a connection, this user is `denied` one, it `hangs-up` at once, keeps `silent`, or is a
       * `stranger` that speaks something else.
       */
      readonly state: "nobody" | "denied" | "hangs-up" | "silent" | "stranger";
    };

/** A pcscd, and what is known of it. */
export interface PcscdCase {
  readonly place: Place;
  readonly socket: string;
  /** Whether somebody relies on this pcscd. On a computer that only uses others' readers none is missed. */
  readonly needed: boolean;
  readonly daemon: DaemonFacts;
  /** Undefined when there is no shell on its computer. */
  readonly host: HostFacts | undefined;
  /** Whether sshd was found in the way already, so that nobody can say more of pcscd. */
  readonly sshdForbids?: boolean;
}

/** pcscd serves so many connections at once (PCSC_MAX_CONTEXT_THREADS), and hangs up on the next. */
const MAX_CONNECTIONS = 200;

const START = "sudo systemctl enable --now pcscd.socket";
const INSTALL = "sudo apt install pcscd";

export function judgePcscd(given: PcscdCase): readonly Finding[] {
  const { daemon, host } = given;
  switch (daemon.state) {
    case "answers":
      return [
        answers(given, daemon.protocol),
        ...activation(given),
        ...admitted(given),
        ...oldPolkit(given),
      ];
    case "hangs-up":
      return [hangsUp(given), ...oldPolkit(given)];
    case "silent":
      return [silent(given)];
    case "stranger":
      return [stranger(given)];
    case "denied":
      return [denied(given)];
    case "nobody":
      // With a listener over there, sshd is to blame and is told of.
      return host?.connect === "ok" || given.sshdForbids ? [] : [nobody(given)];
    default:
      return daemon satisfies never;
  }
}

function answers({ place, host }: PcscdCase, protocol: string): Finding {
  const release = host?.version === undefined ? "pcscd" : `pcscd ${host.version}`;
  return finding(
    "pcscd-answers",
    "good",
    `${release} on ${place.name} speaks protocol ${protocol}`,
  );
}

function activation({ place, host }: PcscdCase): readonly Finding[] {
  if (host === undefined) return [];
  const idle = host.running.some((args) => /\s(--auto-exit|-x)(\s|$)/.test(args))
    ? "; it ends when nobody has used it for a minute"
    : "";
  const say = (level: "good" | "note", what: string, remedy?: readonly string[]) => [
    finding("pcscd-activation", level, `${what}${idle}`, remedy),
  ];
  if (host.units === undefined)
    return say("note", `systemd does not run on ${place.name}: who starts pcscd is not known`);
  const { socket, service } = host.units;
  if (socket.active === "active" && socket.enabled !== "disabled")
    return say("good", `systemd on ${place.name} starts pcscd when it is needed`);
  if (service.enabled === "enabled")
    return say("good", `systemd on ${place.name} starts pcscd at boot`);
  return say(
    "note",
    `pcscd on ${place.name} was started by hand and will be gone after a reboot`,
    on(place, START),
  );
}

/** Whether this pcscd asks polkit about this user, as far as one can tell from outside. */
function asksPolkit(host: HostFacts | undefined): boolean {
  if (host === undefined || host.root) return false;
  if (host.running.some((args) => args.includes("--disable-polkit"))) return false;
  return host.version === undefined ? host.polkit : host.features.includes("polkit");
}

function admitted({ place, host }: PcscdCase): readonly Finding[] {
  if (!asksPolkit(host)) return [];
  const user = host?.user ?? "this user";
  return [finding("polkit-admits", "good", `polkit on ${place.name} lets ${user} use pcscd`)];
}

function hangsUp(given: PcscdCase): Finding {
  const { place, host, socket } = given;
  const what = `pcscd on ${place.name} hangs up on ${host?.user ?? "this user"} without a word`;
  if (host !== undefined && host.connections >= MAX_CONNECTIONS) {
    const full = `pcscd on ${place.name} has ${host.connections} connections; it takes ${MAX_CONNECTIONS}`;
    return finding("pcscd-full", "fault", full, [
      ...on(place, `sudo ss -xp | grep '${socket}'   # shows whose they are`),
      "sudo systemctl restart pcscd   # ends them all",
    ]);
  }
  if (asksPolkit(host) || host === undefined)
    return finding("polkit-refuses", "fault", `${what}: polkit refuses it`, polkitRemedy(given));
  return finding("pcscd-hangs-up", "fault", what, [
    ...on(place, "journalctl -u pcscd -n 20   # may say why"),
    "sudo systemctl restart pcscd.socket",
  ]);
}

/** The rule, filled in; whoever runs it becomes root for it. */
function polkitRemedy({ place, host }: PcscdCase): readonly string[] {
  const user = host?.user ?? "USER";
  if (isOldPolkit(host))
    return on(
      place,
      "sudo tee /etc/polkit-1/localauthority/50-local.d/50-cardwire.pkla <<'END'",
      "[cardwire]",
      `Identity=unix-user:${user}`,
      `Action=${POLKIT_ACTIONS.join(";")}`,
      "ResultAny=yes",
      "ResultInactive=yes",
      "ResultActive=yes",
      "END",
    );
  return on(place, `sudo tee ${RULE_FILE} <<'END'`, ...polkitRule(user).split("\n"), "END");
}

/** polkit 0.106 brought rules in JavaScript. Debian kept 0.105 until its release 12. */
function isOldPolkit(host: HostFacts | undefined): boolean {
  const [, major, minor] = /^(\d+)(?:\.(\d+))?/.exec(host?.polkitVersion ?? "") ?? [];
  return major === "0" && Number(minor) < 106;
}

function oldPolkit({ place, host }: PcscdCase): readonly Finding[] {
  if (!asksPolkit(host) || !isOldPolkit(host)) return [];
  const what = `polkit on ${place.name} is ${host?.polkitVersion}: it takes .pkla files, no JavaScript rules`;
  return [finding("polkit-old", "note", what)];
}

function silent({ place, socket }: PcscdCase): Finding {
  return finding("pcscd-silent", "fault", `pcscd at ${socket} on ${place.name} does not answer`, [
    ...on(place, "sudo systemctl restart pcscd"),
  ]);
}

function stranger({ place, socket, host }: PcscdCase): Finding {
  const release = host?.version === undefined ? "" : ` (${host.version})`;
  const what = `pcscd${release} at ${socket} on ${place.name} speaks no protocol that cardwire knows`;
  return finding("pcscd-version", "fault", what, [
    ...on(place, "sudo apt install --only-upgrade pcscd   # 1.8.9 and later will do"),
  ]);
}

function denied({ place, socket, host }: PcscdCase): Finding {
  const what = `${host?.user ?? "this user"} has no right to ${socket} on ${place.name}`;
  return finding("pcscd-denied", "fault", what, [
    ...on(place, `ls -l ${socket}   # pcscd's own has mode 0666`),
    `sudo chmod 0666 ${socket}`,
  ]);
}

function nobody(given: PcscdCase): Finding {
  const { place, socket, needed, host } = given;
  if (host === undefined) {
    const what = `ssh does not reach ${socket} on ${place.name}: pcscd is not there, or sshd forbids it`;
    return finding("pcscd-unreachable", "fault", what, [
      ...on(place, `${INSTALL} && ${START}`),
      "# and in /etc/ssh/sshd_config: AllowStreamLocalForwarding yes, AllowTcpForwarding yes",
    ]);
  }
  if (host.connect === "denied") return denied(given);
  const level = needed ? "fault" : "note";
  const only = needed ? "" : ", which matters only if this computer has readers of its own";
  if (socket !== PCSCD_SOCKET) {
    const isThere = host.connect === "refused";
    const what = isThere
      ? `nobody listens at ${socket} on ${place.name}`
      : `there is no socket ${socket} on ${place.name}`;
    return finding(isThere ? "pcscd-dead-socket" : "pcscd-not-running", level, what, [
      `# start whatever makes that socket, such as 'cardwire attach'; pcscd's own is ${PCSCD_SOCKET}`,
    ]);
  }
  if (host.connect === "refused") {
    const what = `nobody listens at ${socket} on ${place.name}${only}`;
    const remedy = on(place, "sudo systemctl restart pcscd.socket");
    return finding("pcscd-dead-socket", level, what, remedy);
  }
  if (!host.installed) {
    const what = `pcscd is not installed on ${place.name}${only}`;
    const remedy = on(place, INSTALL, START);
    return finding("pcscd-not-installed", level, what, remedy);
  }
  const masked = host.units?.socket.enabled === "masked";
  const unmask = masked ? ["sudo systemctl unmask pcscd.socket pcscd.service"] : [];
  const what = `pcscd on ${place.name} is installed and does not run${only}`;
  return finding("pcscd-not-running", level, what, on(place, ...unmask, START));
}
