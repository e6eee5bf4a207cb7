import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import {
  type SettingKey,
  type SettingTable,
  type SettingTables,
  settingTables,
} from "../src/cli/settings/keys.ts";

/** What the settings file is, for docs/settings.md and cardwire-config(5). */
export const settingsIntroduction = [
  "The settings file gives names to attachments and shares, so that `cardwire attach work` suffices, and says what `cardwire serve` is to do. Nothing needs one.",
  "It is `$XDG_CONFIG_HOME/cardwire/config.toml`, which is `~/.config/cardwire/config.toml` unless you say otherwise; root's is `/etc/cardwire/config.toml`. `cardwire config path` prints where it is, `cardwire config check` tells what is wrong with it, with line and remedy, and what it defines. It is in TOML (https://toml.io).",
] as const;

export const settingsExample = [
  "[attach.work]                  # cardwire attach work",
  'where = "alice@cardhost"       # or several: ["alice@cardhost", "otherhost"]',
  'mode = "0660"',
  'group = "cards"',
  "keep-warm = true",
  "",
  "[share.lab]                    # cardwire share lab",
  'to = "bob@lab"',
  'readers = ["Yubico*"]',
  "",
  "[serve]                        # cardwire serve",
  "port = 7817",
  'idle-limit = "30s"',
  "",
  "[[serve.limit]]                # other limits for some",
  'identities = "ci-*"',
  'idle-limit = "5s"',
  "link-limit = 4",
  "",
  "[[serve.reader]]               # another hand-over for some readers",
  'readers = "YubiKey*"',
  'hand-over = "exclusive"',
  "",
  "[[serve.rule]]                 # who may do what: see policy.md",
  'verdict = "deny"',
  'identities = "bob"',
  'aid = "D27600012401*"',
] as const;

/** How names are looked up, a paragraph each. */
export const settingsRules = [
  "`cardwire attach NAME`, `cardwire run NAME -- …` and `cardwire readers NAME` look in `[attach.NAME]`, `cardwire share NAME` in `[share.NAME]`, if NAME is the only thing that is named. They take from there what they have an option for. An attachment is also called NAME, for `cardwire env NAME`, unless `name` says otherwise.",
  "Options on the command line go before the file, and so does `CARDWIRE_SSH`. A name goes before a host that is called the same: that one is `ssh://NAME`. With a user or a scheme (`alice@work`, `unix:PATH`) it is never a name.",
  "A mistake stops only who needs what it is about. A file that is not TOML at all stops everybody who gives a bare name, because nobody can tell what it stands for; `ssh://NAME` goes on.",
  "Whoever can write to the file can have commands run as you (`ssh`). If others can, cardwire says so.",
] as const;

/** What `[serve]` is, a paragraph each. */
export const serveRules = [
  "What `cardwire serve` is not told on the command line. `[[serve.limit]]`, `[[serve.reader]]` and `[[serve.rule]]` stand below it as often as wanted, in an order: of each kind, the first that matches counts.",
  "`[[serve.limit]]` is about `identities` (names, or patterns such as `ci-*`; users of this computer are `local:alice`) and `groups` of `[serve.groups]`, or everybody where it names neither. It goes before the command line, and may have the settings of `[serve]` that end in `-limit`; what it does not say is as for everybody.",
  "`[[serve.reader]]` is about `readers` (names, or patterns), and has another `hand-over` for them; it goes before the command line.",
  "`[[serve.rule]]` says who may do what with which card: docs/policy.md has its keys, and those of `[serve.groups]`.",
  "A serve that runs takes over within two seconds what the file says of limits, hand-over, groups and rules, for all who are there, and keeps their links. A time limit counts for transactions that begin from then on; a link or handle more than a new limit stays. Other settings take another start, and serve says so. A file with a mistake in `[serve]` changes nothing, and keeps serve from starting.",
] as const;

/** The settings that there are. */
export const tablesOf = (top: CommandUnknownOpts): SettingTables => settingTables(top.commands);

/** What the target of a table is. */
export const targetText = ({ name, target }: SettingTable): string =>
  target.isList
    ? `WHERE, as for \`cardwire ${name}\`: text, or a list of texts.`
    : `The other computer, as for \`cardwire ${name}\`: text.`;

const kinds: Readonly<Record<SettingKey["kind"], string>> = {
  flag: "true or false",
  text: "text",
  number: "a number",
  list: "text, or a list of texts",
};

/** What a value may be, such as `16 or 48`. */
export function kindText({ kind, choices, placeholder }: SettingKey): string {
  if (choices) return choices.join(" or ");
  return placeholder === "place" ? "a port, or a path" : kinds[kind];
}
