import type { Reader } from "../../domain/card-service.ts";
import { ReaderStateBit } from "../../domain/pcsc.ts";
import { type Finding, finding, on, type Place } from "../finding.ts";
import type { HostFacts } from "../host-facts.ts";

export interface ReadersCase {
  readonly place: Place;
  readonly readers: readonly Reader[];
  readonly host: HostFacts | undefined;
}

export function judgeReaders(given: ReadersCase): readonly Finding[] {
  const { place, readers } = given;
  const names = readers.map(({ name }) => JSON.stringify(name)).join(", ");
  const listed =
    readers.length === 0
      ? [none(given)]
      : [finding("readers", "good", `${place.name} has ${names}`)];
  return [
    ...listed,
    ...takenFromPcscd(given),
    ...readers.filter(isMute).map((reader) => mute(given, reader)),
    ...readers.filter(({ sharing }) => sharing < 0).map((reader) => exclusive(given, reader)),
  ];
}

function none({ place, host }: ReadersCase): Finding {
  const plugged = host?.usb ?? [];
  if (host !== undefined && host.ccid === undefined) {
    const what = `pcscd on ${place.name} has no readers, and no driver for USB readers`;
    const devices = plugged.length === 0 ? "" : `, though ${plugged.join(", ")} is plugged in`;
    const remedy = on(place, "sudo apt install libccid", "sudo systemctl restart pcscd");
    const level = plugged.length === 0 ? "warning" : "fault";
    return finding("ccid-driver-missing", level, `${what}${devices}`, remedy);
  }
  const remedy =
    plugged.length === 0
      ? on(place, "lsusb   # is the reader plugged in there?")
      : on(place, "journalctl -u pcscd -n 20   # may say why it cannot use the reader");
  return finding("readers-none", "warning", `pcscd on ${place.name} has no readers`, remedy);
}

const SCDAEMON_CONF = "~/.gnupg/scdaemon.conf";

/** scdaemon's own driver takes the USB device away from pcscd's. */
function takenFromPcscd({ place, readers, host }: ReadersCase): readonly Finding[] {
  const plugged = host?.usb ?? [];
  if (host === undefined || host.scdaemons.length === 0) return [];
  if (plugged.length === 0 || readers.length >= plugged.length) return [];
  const what = `${plugged.join(", ")} is plugged in on ${place.name}, pcscd has ${readers.length} readers, and scdaemon runs`;
  const remedy = on(
    place,
    `echo disable-ccid >> ${SCDAEMON_CONF}`,
    "gpgconf --kill scdaemon",
    "sudo systemctl restart pcscd",
  );
  return [finding("reader-taken-from-pcscd", "warning", what, remedy)];
}

const isMute = ({ stateBits }: Reader): boolean => (stateBits & ReaderStateBit.Swallowed) !== 0;

function mute({ place }: ReadersCase, { name }: Reader): Finding {
  return finding(
    "card-mute",
    "warning",
    `the card in ${JSON.stringify(name)} on ${place.name} does not answer`,
    "Take the card out, wipe its contacts, and put it in again, chip first and facing up.",
  );
}

/** Programs that stand between pcscd and others, and so hold nothing themselves. */
const between = new Set(["sshd", "sshd-session", "ssh", "cardwire"]);

function exclusive({ place, host }: ReadersCase, { name }: Reader): Finding {
  const suspects = (host?.clients ?? []).filter(({ program }) => !between.has(program));
  // It hides its open files even from its own user, and so from us.
  const hidden = suspects.length === 0 ? (host?.scdaemons ?? []) : [];
  const isScdaemon = hidden.length > 0 || suspects.some(({ program }) => program === "scdaemon");
  const who = [
    ...suspects.map(({ pid, user, program }) => `${program} (process ${pid} of ${user})`),
    ...hidden.map((pid) => `scdaemon (process ${pid})`),
  ];
  const by = who.join(" or ") || "one program";
  const what = `${JSON.stringify(name)} on ${place.name} is held exclusively by ${by}`;
  if (isScdaemon)
    return finding(
      "reader-exclusive",
      "warning",
      what,
      on(
        place,
        "gpgconf --kill scdaemon   # lets go of it now",
        `echo pcsc-shared >> ${SCDAEMON_CONF}   # GnuPG 2.2.28, 2.3.0 and later: shares it from then on`,
      ),
    );
  const remedy =
    who.length === 0
      ? on(place, "sudo ss -xp | grep pcscd   # shows who is connected; end that program")
      : on(place, ...suspects.map(({ pid }) => `kill ${pid}   # if you can do without it`));
  return finding("reader-exclusive", "warning", what, remedy);
}

/** An attachment to a card host, and what that host itself has. */
export function judgeSameReaders(
  attachment: { readonly name: string; readonly readers: readonly string[] },
  there: { readonly place: Place; readonly readers: readonly string[] },
): readonly Finding[] {
  const missing = there.readers.filter((name) => !attachment.readers.includes(name));
  const extra = attachment.readers.filter((name) => !there.readers.includes(name));
  if (missing.length + extra.length === 0) return [];
  const list = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(", ");
  const parts = [
    ...(missing.length > 0 ? [`does not show ${list(missing)}`] : []),
    ...(extra.length > 0 ? [`shows ${list(extra)}, which is not there`] : []),
  ];
  return [
    finding(
      "readers-differ",
      "warning",
      `the attachment ${attachment.name} ${parts.join(" and ")} on ${there.place.name}`,
      "Wait some seconds and try again. If it stays so, end the attachment and start it anew.",
    ),
  ];
}
