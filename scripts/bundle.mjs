/** Bundles of the command line, made by esbuild: for the executable's engine and for Node. */
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { BuildError, ROOT, versionConstants } from "./tools.mjs";

const FOLDER = join(ROOT, "src/sys/quickjs");

/** Which of our modules stands for one of Node's. */
const BUILT_IN = {
  "node:child_process": "child_process.ts",
  "node:fs": "fs.ts",
  "node:module": "module.ts",
  "node:os": "os.ts",
  "node:path": "path.ts",
  "node:process": "process.ts",
  "node:url": "module.ts",
};

/** The FFI of other hosts. */
const OTHER_HOSTS = /\/sys\/(koffi|bun)\.ts$/;

const FOR_QUICKJS = {
  name: "quickjs",
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path }) => {
      const own = BUILT_IN[path];
      return own === undefined ? undefined : { path: join(FOLDER, own) };
    });
    build.onLoad({ filter: OTHER_HOSTS }, () => ({
      contents: "export const koffiBackend = undefined, bunBackend = undefined;",
    }));
  },
};

/**
 * With `require`, which also finds the Debian package `esbuild`. A warning is an error: a name that one of our modules for
 * Node's does not have would be undefined.
 */
async function bundle(options) {
  const { build } = createRequire(import.meta.url)("esbuild");
  const common = { bundle: true, format: "esm", target: "es2023", minifySyntax: true, minifyWhitespace: true };
  const result = await build({
    ...common,
    absWorkingDir: ROOT,
    charset: "utf8",
    define: versionConstants(),
    legalComments: "none",
    logLevel: "silent",
    ...options,
  }).catch(({ errors = [], message }) => ({ errors: errors.length > 0 ? errors : [{ text: message }], warnings: [] }));
  const [problem] = [...result.errors, ...result.warnings];
  if (problem === undefined) return;
  const { file, line } = problem.location ?? {};
  throw new BuildError(`${file === undefined ? "bundle" : `${file}:${line}`}: ${problem.text}`);
}

/** The script of the executable's engine: `entry`, or absent, the command line. */
export async function bundleForQuickjs(outfile, entry = join(ROOT, "src/cli/quickjs.ts")) {
  await bundle({ entryPoints: [resolve(entry)], outfile, platform: "neutral", plugins: [FOR_QUICKJS] });
}

/** A program for Node in one file: resolving a hundred modules would double Node's start. */
export async function bundleForNode(outfile, entry) {
  await bundle({ entryPoints: [entry], outfile, platform: "node", keepNames: true, external: ["koffi", "bun:ffi"] });
}

/** A script of the build, with the packages where they are. */
export async function bundleScript(outfile, entry) {
  await bundle({ entryPoints: [entry], outfile, platform: "node", packages: "external" });
}
