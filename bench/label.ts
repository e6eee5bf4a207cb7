import type { WayName } from "./stage.ts";

/** A way as the tables call it. */
const labels: Partial<Readonly<Record<WayName, string>>> = {
  pcscd: "pcscd directly",
  "attach unix:": "`cardwire attach unix:`",
  cardwire: "`cardwire attach`",
};

export const label = (way: WayName): string =>
  labels[way] ??
  (way === "ssh -L"
    ? "`ssh -L`"
    : way.replace(/^agent ?(.*)$/, (_, flags) =>
        flags === "" ? "an agent" : `an agent, \`${flags}\``,
      ));
