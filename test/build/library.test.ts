import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
let dir = "";

/** A project that has tsrunc installed, as npm would link it. */
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "tsrunc-library-"));
  mkdirSync(join(dir, "node_modules"));
  symlinkSync(ROOT, join(dir, "node_modules/tsrunc"));
  writeFileSync(join(dir, "package.json"), '{"type":"module"}');
  const build = spawnSync("node", [join(ROOT, "scripts/build.mjs"), "--only", "library"], { encoding: "utf8" });
  if (build.status !== 0) throw new Error(build.stderr + build.stdout);
}, 60_000);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const USER = `
import { defaultSpec, formatError, parseSpec, TsruncError } from "tsrunc";
const { spec } = parseSpec(JSON.stringify(defaultSpec()), "config.json");
console.log(spec.process?.args?.join(" "), spec.linux?.namespaces?.length);
try {
  parseSpec('{"ociVersion": 5}', "config.json");
} catch (error) {
  console.log(error instanceof TsruncError && error.code, formatError(error).includes("/ociVersion"));
}
`;

test.each([
  ["Node", "node"],
  ["Bun", process.execPath],
])("the built library works under %s", (_, host) => {
  writeFileSync(join(dir, "user.mjs"), USER);
  const result = spawnSync(host, [join(dir, "user.mjs")], { encoding: "utf8", cwd: dir });
  expect(result.stderr).toBe("");
  expect(result.stdout).toBe("sh 5\nconfig true\n");
});

test("the declarations type-check in a project of a user, with the declarations themselves checked", () => {
  writeFileSync(join(dir, "user.ts"), `${USER}const wrong: number = defaultSpec().ociVersion;\n`);
  const compilerOptions = { module: "nodenext", target: "es2023", strict: true, noEmit: true, types: ["node"] };
  const typeRoots = [join(ROOT, "node_modules/@types")];
  const config = { compilerOptions: { ...compilerOptions, typeRoots }, files: ["user.ts"] };
  writeFileSync(join(dir, "tsconfig.json"), JSON.stringify(config));
  const tsc = spawnSync("node", [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", dir], { encoding: "utf8" });
  const errors = tsc.stdout.trim().split("\n");
  expect(errors).toHaveLength(1); // the planted one
  expect(errors[0]).toContain("Type 'string' is not assignable to type 'number'");
}, 60_000);

test("package.json names files that the build makes", () => {
  const { bin, exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  expect(bin.tsrunc).toBe("dist/cli.js");
  for (const file of Object.values(exports["."])) expect(readFileSync(join(ROOT, String(file)), "utf8")).not.toBe("");
});
