import { CardwireError } from "../../domain/errors.ts";
import { runningAttachments } from "../../host/attachments.ts";
import { attachmentDirectory, runtimePath } from "../../host/paths.ts";
import { askAt } from "../../host/told-socket.ts";
import type { Io } from "../io.ts";
import { subcommand } from "../options.ts";
import type { CardAttendance } from "../../serve/control-messages.ts";
import { printable } from "../report.ts";
import { attendanceText } from "../serve/attendance-screen.ts";
import { statusJson, statusText, type Told } from "../status-screen.ts";
import type { AttachmentStatus } from "../../domain/attachment-status.ts";

/** How long an attachment may take to answer, ms. It measures a round trip meanwhile. */
const ANSWER_MS = 5_000;

export const statusCommand = (io: Io) =>
  subcommand("status", "Tell how attachments are, and who has the cards that serve offers", [
    "cardwire status",
    "cardwire status work --json",
  ])
    .argument("[name]", "of which attachment (default: all)")
    .option("--json", "one JSON object a line, for scripts")
    .action(async (name, { json }) => {
      const runtime = runtimePath();
      const running = await runningAttachments(runtime);
      const wanted = running.filter((one) => name === undefined || one.name === name);
      const cards = name === undefined ? await servedCards(io) : undefined;
      if (wanted.length === 0 && !cards) {
        const names = running.map((one) => one.name).join(", ");
        const isOther = name !== undefined && running.length > 0;
        const what =
          name === undefined ? "no attachment is running" : `no attachment is called ${name}`;
        throw new CardwireError("E_NO_ATTACHMENT", what, {
          hint: isOther ? `These are running: ${names}.` : "Start one with 'cardwire attach HOST'.",
        });
      }
      const told = await Promise.all(
        wanted.map(async (record): Promise<Told> => {
          const text = await askAt(attachmentDirectory(runtime, record.name), {
            signal: AbortSignal.timeout(ANSWER_MS),
          }).catch(() => undefined); // it hangs, and does not answer
          return { record, status: parse(text) };
        }),
      );
      for (const one of told) io.out(json ? JSON.stringify(statusJson(one)) : statusText(one));
      if (cards) io.out(json ? JSON.stringify({ serve: { cards } }) : attendanceText(cards));
    });

/** Who has the cards that this user's serve offers; undefined where none runs, or it does not answer, which is said. */
async function servedCards(io: Io): Promise<readonly CardAttendance[] | undefined> {
  const { askServe } = await import("../../serve/ask-control.ts");
  try {
    const answer = await askServe({ do: "attendance" });
    return answer && "attendance" in answer ? answer.attendance : undefined;
  } catch (error) {
    if (!CardwireError.is(error)) throw error;
    io.err(printable(error.message));
    return undefined;
  }
}

/** What an attachment of this user said: another release of cardwire, perhaps. */
function parse(text: string | undefined): AttachmentStatus | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    const isStatus =
      typeof value === "object" &&
      value !== null &&
      "programs" in value &&
      "sources" in value &&
      Array.isArray(value.sources);
    return isStatus ? (value as AttachmentStatus) : undefined;
  } catch {
    return undefined;
  }
}
