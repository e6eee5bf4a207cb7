import type { Io } from "../io.ts";
import { subcommand, wrongUsage } from "../options.ts";

export const revokeCommand = (io: Io) =>
  subcommand("revoke", "Shut somebody out: his links end at once, and no token of his is good", [
    "cardwire revoke alice",
    ["cardwire revoke local:bob", "a user of the card host"],
  ])
    .argument("<name>", "the identity")
    .option("--undo", "let a member of an organisation, or a user of this computer, in again")
    .option("--json", "one JSON object, for scripts")
    .action(async (name, { undo, json }) => {
      const { existingStore } = await import("../../serve/store.ts");
      const { withoutIdentity, withPardon } = await import("../../serve/register.ts");
      const { checkUsed, knownPlace } = await import("../../serve/place.ts");
      const { checkIdentityName } = await import("../../domain/identity.ts");
      const { isLocal, withoutLocal } = await import("../../serve/locals.ts");
      checkIdentityName(withoutLocal(name).replace(/^[#_]/, "u")); // which accounts may begin with
      const store = await existingStore();
      await checkUsed(store, `cardwire revoke ${name}`);
      const isMember = isLocal(name) || (await knownPlace(store)).organisation;
      if (undo && !isMember)
        throw wrongUsage(`a new invitation lets ${name} in again`, `cardwire invite ${name}`);
      await store.change((register) =>
        undo
          ? withPardon(register, name)
          : withoutIdentity(register, name, Date.now(), { isMember }),
      );
      if (json) io.out(JSON.stringify({ name, revoked: !undo }));
      else if (undo) io.err(`${name} may come in again.`);
      else if (isMember)
        io.err(`${name} is shut out. 'cardwire revoke --undo ${name}' would let him in again.`);
      else io.err(`${name} is shut out. 'cardwire invite ${name}' would let him in again.`);
    });
