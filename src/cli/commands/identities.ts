import type { Io } from "../io.ts";
import { subcommand } from "../options.ts";

export const identitiesCommand = (io: Io) =>
  subcommand("identities", "List who may use the readers of this computer, and who is invited", [
    "cardwire identities",
    "cardwire identities --json",
  ])
    .option("--json", "one JSON object a line, for scripts")
    .action(async ({ json }) => {
      const { identityLines } = await import("../serve/identities-screen.ts");
      const { hasServed } = await import("../../serve/place.ts");
      const { existingStore } = await import("../../serve/store.ts");
      const store = await existingStore();
      const lines = identityLines(await store.read(), Date.now());
      if (json) for (const line of lines) io.out(JSON.stringify(line));
      else {
        const { identitiesTable } = await import("../serve/identities-screen.ts");
        if (lines.length > 0) io.out(identitiesTable(lines));
        else if (await hasServed(store))
          io.err("Nobody was invited. 'cardwire invite NAME' does it.");
        else
          io.err(
            `Nobody was invited, and no serve has run with ${store.path} yet: run this as the user of serve.`,
          );
      }
    });
