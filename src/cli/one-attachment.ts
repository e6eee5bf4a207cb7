import { CardwireError } from "../domain/errors.ts";
import { type AttachmentRecord, runningAttachments } from "../host/attachments.ts";
import { runtimePath } from "../host/paths.ts";

/**
 * The running attachment that is meant: the one of that name, or the only one.
 *
 * @throws {CardwireError} `E_NO_ATTACHMENT` when there is none, or several and none was named.
 */
export async function oneAttachment(name: string | undefined): Promise<AttachmentRecord> {
  const running = await runningAttachments(runtimePath());
  const fitting = name === undefined ? running : running.filter((one) => one.name === name);
  const [only, another] = fitting;
  const names = running.map((one) => one.name).join(", ");
  if (!only && name !== undefined && running.length > 0)
    throw new CardwireError("E_NO_ATTACHMENT", `no attachment is called ${name}`, {
      hint: `These are running: ${names}.`,
    });
  if (!only)
    throw new CardwireError("E_NO_ATTACHMENT", "no attachment is running", {
      hint: "Start one with 'cardwire attach HOST'.",
    });
  if (another)
    throw new CardwireError("E_NO_ATTACHMENT", "several attachments are running", {
      hint: `Name one of them: ${names}.`,
    });
  return only;
}
