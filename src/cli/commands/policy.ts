import { Option } from "@commander-js/extra-typings";
import { type Profile, profiles } from "../../services/policy/profiles.ts";
import type { Io } from "../io.ts";
import { subcommand } from "../options.ts";
import type { SettingTables } from "../settings/keys.ts";
import { NO_SERVE_SETTINGS } from "../settings/serve-settings.ts";

const TEST_EXAMPLES = [
  "cardwire policy test --as alice 00a4040005a000000308 0087119a",
  ["cardwire policy test --as alice --profile look 00200080", "does it verify a PIN?"],
  ["cardwire policy test --as bob --reader 'YubiKey 00 00' --json 00f7009a", "for scripts"],
] as const;

export const policyCommand = (io: Io, tables: () => SettingTables) =>
  subcommand("policy", "Rules about who may do what with a card", TEST_EXAMPLES).addCommand(
    testCommand(io, tables),
  );

const testCommand = (io: Io, tables: () => SettingTables) =>
  subcommand(
    "test",
    "Tell whether commands would be let through to a card, one after the other, and why",
    TEST_EXAMPLES,
  )
    .argument("<apdu...>", "command APDUs in hexadecimal; each is taken to be answered 9000")
    .requiredOption("--as <identity>", "who sends them")
    .addOption(
      new Option(
        "--profile <profile>",
        "what the identity may do where no rule says otherwise (default: what it was invited to)",
      ).choices(Object.keys(profiles) as Profile[]),
    )
    .option("--reader <name>", "the reader's name (default: none, which rules mean only with '*')")
    .option("--atr <hex>", "the card's answer to reset (default: unknown)")
    .option("--serial <number>", "the card's serial number (default: unknown)")
    .option("--json", "one JSON object a command, for scripts")
    .action(async (apdus, flags) => {
      const { testPolicy } = await import("../policy-test.ts");
      const { loadServeSettings } = await import("../settings/load.ts");
      const { existingStore } = await import("../../serve/store.ts");
      const { grantFor } = await import("../policy-grant.ts");
      const settings = (await loadServeSettings(tables())) ?? NO_SERVE_SETTINGS;
      let { profile } = flags;
      if (profile === undefined) {
        const register = await (await existingStore()).read();
        const found = grantFor(register, flags, settings.options);
        for (const remark of found.remarks) io.err(remark);
        ({ profile } = found);
      }
      testPolicy(apdus, { ...flags, profile }, { io, rules: settings.rules });
    });
