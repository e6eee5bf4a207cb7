import { campaign } from "./campaign.ts";
import { judgeReplies, judgeRequests } from "./decoders.ts";
import { clientInput } from "./inputs.ts";
import { daemonInput } from "./replies.ts";
import { judgeText, textInput } from "./texts.ts";

// What needs no live server: each runs `count` inputs from seed `from` on, and gives how many there were.

export interface Share {
  readonly count: number;
  readonly from: number;
}

const withBytes = <C>(input: C, bytes: Buffer): C => ({ ...input, bytes });

export const fuzzRequests = (share: Share): Promise<number> =>
  campaign({ ...share, name: "requests", make: clientInput, judge: judgeRequests, withBytes });

export const fuzzReplies = (share: Share): Promise<number> =>
  campaign({ ...share, name: "replies", make: daemonInput, judge: judgeReplies, withBytes });

export const fuzzTexts = (share: Share): Promise<number> =>
  campaign({ ...share, name: "texts", make: textInput, judge: judgeText, withBytes });
