import { expect, test } from "vitest";
import { splitCommand } from "./split-command.ts";

test.each([
  ["ssh", ["ssh"]],
  ["  ssh\t-F  file ", ["ssh", "-F", "file"]],
  [`ssh -F "my file" -o 'User x'`, ["ssh", "-F", "my file", "-o", "User x"]],
  [`/opt/my\\ ssh/ssh`, ["/opt/my ssh/ssh"]],
  [`ssh -o"Proxy Command=a 'b'"`, ["ssh", "-oProxy Command=a 'b'"]],
  [`ssh "" ''`, ["ssh", "", ""]],
  [`ssh "a\\"b\\c\\\\"`, ["ssh", `a"b\\c\\`]],
  [`ssh 'a\\'`, ["ssh", "a\\"]],
  ["ssh $HOME ~ * ; | `x`", ["ssh", "$HOME", "~", "*", ";", "|", "`x`"]],
])("%s", (line, words) => {
  expect(splitCommand(line)).toEqual(words);
});

test.each(["", "  ", "ssh 'a", 'ssh "a', "ssh a\\", '""'])("%j is refused", (line) => {
  expect(() => splitCommand(line)).toThrow(expect.objectContaining({ code: "E_SSH_COMMAND" }));
});
