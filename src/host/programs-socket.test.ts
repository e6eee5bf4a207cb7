import { expect, test } from "vitest";
import { programsSocket } from "./programs-socket.ts";

test.each([
  [{}, "/run/pcscd/pcscd.comm"],
  [{ PCSCLITE_CSOCK_NAME: "/tmp/other.comm" }, "/tmp/other.comm"],
])("%j: %s", (env, path) => {
  expect(programsSocket(env)).toBe(path);
});

test.each([
  ["", "PCSCLITE_CSOCK_NAME is empty"],
  ["other.comm", 'PCSCLITE_CSOCK_NAME is no absolute path: "other.comm"'],
])("%j is refused by the variable's name", (path, message) => {
  const refused = expect.objectContaining({ code: "E_SOCKET_PATH", message });
  expect(() => programsSocket({ PCSCLITE_CSOCK_NAME: path })).toThrow(refused);
});
