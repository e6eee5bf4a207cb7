import type { Runs } from "../commands.ts";
import type { Loopback } from "../loopback.ts";
import { type AgentWayName, agentWays, type WayName } from "../stage.ts";
import type { Calls } from "./calls.ts";

/** What an agent is compared with, and it with each of its short cuts on and off. */
export const comparedWays: readonly WayName[] = [
  "ssh -L",
  "cardwire",
  ...(Object.keys(agentWays) as AgentWayName[]),
];
/** What was measured of a cardwire over there. */
export interface MeasuredAgent {
  readonly runs: readonly Runs[];
  readonly calls: readonly Calls[];
  readonly loopback: readonly Loopback[];
}
