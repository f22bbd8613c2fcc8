import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addSeals, execve, flock, memfdCreate, pidfdOpen, setFault } from "../../src/sys/sys.ts";

const ROOT = join(import.meta.dir, "../..");
const FIXTURE = join(import.meta.dir, "fixtures/backend.ts");
let dir = "";

beforeAll(() => {
  // Inside the project, so that Node finds koffi.
  dir = mkdtempSync(join(ROOT, "node_modules/.sys-test-"));
  const build = ["build", "--target", "node", "--external", "koffi", "--outfile", join(dir, "backend.mjs"), FIXTURE];
  const result = spawnSync(process.execPath, build, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(result.stderr);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const failedCall = (call: string, object: string, errno: string) => ({
  name: "TsruncError",
  code: "io",
  errno,
  message: `${call} ${object}: ${errno}`,
});

test.each([
  ["Bun", () => [process.execPath, FIXTURE]],
  ["Node", () => ["node", join(dir, "backend.mjs")]],
])("every call works under %s", (_, command) => {
  const [file = "", ...args] = command();
  const result = spawnSync(file, [...args, join(tmpdir(), `tsrunc-lock-${process.pid}`)], { encoding: "utf8" });
  expect(result.stderr).toBe("");
  const [first = "", ...rest] = result.stdout.split("\n");
  const denied = expect.objectContaining({ code: "EPERM" });
  expect(JSON.parse(first)).toEqual({
    sealedFile: {
      link: "/memfd:sys-test (deleted)",
      write: denied,
      truncate: denied,
      sealAgain: expect.objectContaining({ name: "TsruncError", errno: "EPERM" }),
    },
    cloexec: [true, false, true],
    locks: [true, false, true, true, false],
    processes: {
      sent: [true, true],
      signal: "SIGTERM",
      after: false,
      unknown: failedCall("pidfd_open", "process 1073741822", "ESRCH"),
    },
    subreaper: [false, true],
    badDescriptor: failedCall("fcntl", "descriptor 9999", "EBADF"),
    noFile: failedCall("execve", "`/nonexistent`", "ENOENT"),
  });
  expect(rest).toEqual(['zero 1 "b b" 2 one two ä', "0", ""]);
});

test("a libc in the current directory is not loaded", () => {
  const planted = mkdtempSync(join(tmpdir(), "tsrunc-planted-"));
  try {
    writeFileSync(
      join(planted, "evil.c"),
      "#include <unistd.h>\n__attribute__((constructor)) void f(void) { _exit(66); }\n",
    );
    for (const name of ["libc.so", "libc.so.6"]) {
      const cc = spawnSync("cc", ["-shared", "-fPIC", "-o", join(planted, name), join(planted, "evil.c")]);
      expect(cc.status).toBe(0);
    }
    const script = `import { pidfdOpen } from "${ROOT}/src/sys/sys.ts"; console.log(pidfdOpen(process.pid) > 2);`;
    // Without the JIT no library can be opened: the case in which Bun would look further.
    for (const jit of ["1", "0"]) {
      const env = { ...process.env, BUN_JSC_useJIT: jit };
      const result = spawnSync(process.execPath, ["-e", script], { cwd: planted, encoding: "utf8", env });
      expect(result.stdout).toBe(jit === "1" ? "true\n" : "");
      expect(result.status).toBe(jit === "1" ? 0 : 1);
    }
  } finally {
    rmSync(planted, { recursive: true });
  }
});

test("a planted fault fails the named call and no other", () => {
  try {
    setFault({ call: "memfd_create", errno: "EMFILE" });
    expect(() => memfdCreate("x")).toThrow("memfd_create `x`: EMFILE");
    setFault({ call: "execve", errno: "EACCES" });
    expect(() => execve("/bin/true", ["true"], {})).toThrow("execve `/bin/true`: EACCES");
    expect(pidfdOpen(process.pid)).toBeGreaterThan(2);
    setFault({ call: "flock", errno: "ENOLCK" });
    expect(() => flock(0, "exclusive")).toThrow("flock descriptor 0: ENOLCK");
    setFault({ call: "fcntl", errno: "EBUSY" });
    expect(() => addSeals(0)).toThrow("fcntl seals of descriptor 0: EBUSY");
  } finally {
    setFault(undefined);
  }
});
