import { Option } from "@commander-js/extra-typings";
import { type Profile, profiles } from "../../domain/identity.ts";
import { wrongUsage } from "../options.ts";

/** Users of this computer, and what they may do. */
export interface LocalWish {
  readonly profile: Profile;
  readonly group: string | undefined;
}

/** Whether agents of this computer's users may join, and whose. */
export const localOptions = {
  profile: () =>
    new Option(
      "--local <profile>",
      "what users of this computer may do who come by ssh; off: nobody comes in so",
    )
      .choices(["off", ...profiles] as const)
      .default("use" as const),
  group: () =>
    new Option(
      "--local-group <group>",
      "users of this computer who may join (default: only who runs serve, and root)",
    ),
} as const;

/** What was said of them; undefined where nobody of this computer is to come in. @throws {CardwireError} `E_USAGE` */
export function localWish({
  local,
  localGroup: group,
}: {
  readonly local: "off" | Profile;
  readonly localGroup?: string | undefined;
}): LocalWish | undefined {
  if (local !== "off") return { profile: local, group };
  if (group === undefined) return undefined;
  throw wrongUsage("nobody of this computer comes in with --local off", "Leave one of them away.");
}
