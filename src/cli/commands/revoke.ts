import type { Io } from "../io.ts";
import { subcommand } from "../options.ts";

export const revokeCommand = (io: Io) =>
  subcommand("revoke", "Shut somebody out: his links end at once, and no token of his is good", [
    "cardwire revoke alice",
  ])
    .argument("<name>", "the identity")
    .option("--json", "one JSON object, for scripts")
    .action(async (name, { json }) => {
      const { existingStore } = await import("../../serve/store.ts");
      const { withoutIdentity } = await import("../../serve/register.ts");
      const store = await existingStore();
      await store.change((register) => withoutIdentity(register, name, Date.now()));
      if (json) io.out(JSON.stringify({ name, revoked: true }));
      else io.err(`${name} is shut out. 'cardwire invite ${name}' would let him in again.`);
    });
