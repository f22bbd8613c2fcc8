/** Bundles the command line, or ENTRY, for the executable's own engine: `bun scripts/bundle-engine.ts OUT [ENTRY]`. */
import { join, resolve } from "node:path";
// @ts-expect-error: a script without types
import * as tools from "./tools.mjs";

const { ROOT, versionDefines } = tools as { readonly ROOT: string; readonly versionDefines: () => readonly string[] };

const FOLDER = join(ROOT, "src/sys/quickjs");

/** Which of our modules stands for one of Node's. */
const BUILT_IN: Readonly<Record<string, string>> = {
  "node:fs": "fs.ts",
  "node:process": "process.ts",
  "node:child_process": "child_process.ts",
  "node:os": "os.ts",
  "node:path": "path.ts",
  "node:module": "module.ts",
  "node:url": "module.ts",
};

/** The FFI of other hosts. */
const OTHER_HOSTS = /\/sys\/(koffi|bun)\.ts$/;

const [out, entry = join(ROOT, "src/cli/quickjs.ts")] = process.argv.slice(2);
const defines = versionDefines()
  .filter((word) => word !== "--define")
  .map((define) => define.split(/=(.*)/s).slice(0, 2));

const result = await Bun.build({
  entrypoints: [resolve(entry)],
  target: "browser",
  format: "esm",
  minify: { syntax: true, whitespace: true, identifiers: false },
  define: { ...Object.fromEntries(defines), QUICKJS_ARCH: JSON.stringify(process.arch) },
  plugins: [
    {
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
    },
  ],
});
for (const log of result.logs) console.error(String(log));
// A warning is of a function that our modules do not have: it would be undefined.
if (!result.success || result.logs.length > 0 || out === undefined) process.exit(1);
await Bun.write(out, result.outputs[0] as Blob);
