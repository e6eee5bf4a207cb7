import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { type SettingKey, type SettingTable, settingTables } from "../src/cli/settings/keys.ts";

/** What the settings file is, for docs/settings.md and cardwire-config(5). */
export const settingsIntroduction = [
  "The settings file gives names to attachments and shares, so that `cardwire attach work` suffices. Nothing needs one.",
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
  "[[serve.rule]]                 # who may do what: see policy.md",
  'verdict = "deny"',
  'identities = ["bob"]',
  'aid = "D27600012401*"',
] as const;

/** How names are looked up, a paragraph each. */
export const settingsRules = [
  "`cardwire attach NAME`, `cardwire run NAME -- …` and `cardwire readers NAME` look in `[attach.NAME]`, `cardwire share NAME` in `[share.NAME]`, if NAME is the only thing that is named. They take from there what they have an option for. An attachment is also called NAME, for `cardwire env NAME`, unless `name` says otherwise.",
  "Options on the command line go before the file, and so does `CARDWIRE_SSH`. A name goes before a host that is called the same: that one is `ssh://NAME`. With a user or a scheme (`alice@work`, `unix:PATH`) it is never a name.",
  "A mistake stops only who needs what it is about. A file that is not TOML at all stops everybody who gives a bare name, because nobody can tell what it stands for; `ssh://NAME` goes on.",
  "`[serve.groups]` and `[[serve.rule]]` say who may do what with the cards that others use from here: docs/policy.md has their keys. Where one of them has a mistake, none of them counts.",
  "Whoever can write to the file can have commands run as you (`ssh`). If others can, cardwire says so.",
] as const;

/** The settings that there are. */
export const tablesOf = (top: CommandUnknownOpts): readonly SettingTable[] =>
  settingTables(top.commands);

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
export const kindText = ({ kind, choices }: SettingKey): string =>
  choices ? choices.join(" or ") : kinds[kind];
