import { expect, test } from "bun:test";
import { parseArgv0 } from "../../src/host.ts";

test("the front's facts are read from argv[0]", () => {
  expect(parseArgv0("/usr/bin/runc\u001fnofile=1024;cwd=deleted", true)).toEqual({
    programName: "runc",
    nofile: 1024,
    cwdDeleted: true,
  });
});

test("without the front there is only the name, and under Node not even that", () => {
  expect(parseArgv0("./runc", true)).toEqual({ programName: "runc", cwdDeleted: false });
  expect(parseArgv0("/usr/bin/node", false)).toEqual({ programName: "tsrunc", cwdDeleted: false });
});

test("what is not a number is not taken for one", () => {
  expect(parseArgv0("x\u001fnofile=;start=;what=ever", true)).toEqual({ programName: "x", cwdDeleted: false });
});

test("which limit was lifted is kept", () => {
  expect(parseArgv0("x\u001ffsize=1024:4096", true)).toEqual({
    programName: "x",
    fileSize: "1024:4096",
    cwdDeleted: false,
  });
});
