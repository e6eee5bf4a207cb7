import type { Profile } from "../domain/identity.ts";
import { readerFilter } from "../serve/granted.ts";
import { isLocal } from "../serve/locals.ts";
import type { Register } from "../serve/records.ts";
import { printable } from "./report.ts";
import type { OptionValues } from "./settings/serve-settings.ts";

/** What somebody may do where no rule says otherwise, and what is to be said of that. */
export interface FoundGrant {
  readonly profile: Profile;
  readonly remarks: readonly string[];
}

/**
 * What a serve of this user would grant an identity.
 *
 * @param options of `[serve]`: what they say of users of this computer, and of an organisation's members.
 */
export function grantFor(
  { identities }: Register,
  { as: name, reader }: { readonly as: string; readonly reader?: string | undefined },
  options: OptionValues,
): FoundGrant {
  const found = identities.find((one) => one.name === name);
  const who = printable(name);
  if (found?.revoked !== undefined)
    return { profile: "look", remarks: [`${who} was revoked, and is not let in`] };
  if (isLocal(name)) return localGrant(who, options);
  if (!found) {
    const profile = options["profile"] as Profile | undefined;
    const remark = `nobody called ${who} was let in here: judged as if with the profile ${profile ?? "use"}`;
    return { profile: profile ?? "use", remarks: [remark] };
  }
  const sees = reader === undefined || readerFilter(found.readers)(reader);
  const readers = found.readers.map(printable).join(", ");
  return {
    profile: found.profile,
    remarks: sees ? [] : [`${who} does not see that reader, but ${readers}`],
  };
}

function localGrant(who: string, options: OptionValues): FoundGrant {
  const local = (options["local"] ?? "use") as Profile | "off";
  if (local !== "off") return { profile: local, remarks: [] };
  return { profile: "look", remarks: [`${who} is not let in: local is off`] };
}
