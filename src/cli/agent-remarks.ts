import type { AgentWay, NoAgent } from "../agent/over-ssh/way.ts";
import { CardwireError } from "../domain/errors.ts";

// What people are told of an agent, or of there being none.

/** For those who wanted one and nothing else. */
export const noAgentError = (error: NoAgent, host: string): CardwireError =>
  new CardwireError("E_AGENT", `no agent can run on ${host}: ${error.message}`, {
    hint: "Install cardwire or Node.js 18 there, say where its Node.js is with --remote-node PATH, or use --via forward.",
  });

export const noAgentRemark = (error: NoAgent, host: string): string =>
  `There is no agent on ${host}: ${error.message}. A forward serves, more slowly, and programs notice when the line breaks.`;

/** @param loss what happens when the agent ends with a login. */
export function agentRemark(way: AgentWay, host: string, loss: string): string | undefined {
  const { by, refusal } = way.keeper ?? {};
  if (by === "serve")
    return `${host} runs 'cardwire serve': you meet everybody who uses its cards there, in one queue.`;
  if (refusal !== undefined)
    return `${host} runs 'cardwire serve', which does not let you in (${refusal}): an agent of your own goes to pcscd.`;
  if (way.keeper?.endsWithLogin)
    return `${host} ends what a login leaves running (KillUserProcesses in its logind.conf): when the line breaks, ${loss}.`;
  if (way.relays)
    return `sshd on ${host} forbids forwards: a session carries everything, a little more slowly.`;
  return undefined;
}
