/** The bill of materials, as CycloneDX has it: what is in the packages, and what they are built with. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SHA256 as QUICKJS_SHA256, VERSION as QUICKJS_VERSION } from "../quickjs.mjs";
import { ROOT } from "../tools.mjs";
import { libraryOf } from "./licences.mjs";

const licensed = (expression) =>
  expression === undefined
    ? {}
    : { licenses: / (OR|AND|WITH) /.test(expression) ? [{ expression }] : [{ license: { id: expression } }] };

/** `sha512-BASE64` of a lock file. */
function hashes(integrity) {
  const [algorithm, value] = (integrity ?? "").split("-");
  if (algorithm !== "sha512") return {};
  return { hashes: [{ alg: "SHA-512", content: Buffer.from(value, "base64").toString("hex") }] };
}

function npmComponents(lock) {
  const found = Object.entries(lock.packages).filter(([path]) => path !== "");
  return found.map(([path, { version, license, integrity, dev, devOptional, optional }]) => {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
    return {
      type: "library",
      "bom-ref": path === `node_modules/${name}` ? purl : `${purl}#${path}`,
      name,
      version,
      purl,
      // What builds or tests only is in no package; what is for one kind of machine is on those.
      scope: dev || devOptional ? "excluded" : optional ? "optional" : "required",
      ...licensed(license),
      ...hashes(integrity),
    };
  });
}

function engine() {
  return {
    type: "library",
    "bom-ref": `pkg:generic/quickjs-ng@${QUICKJS_VERSION}`,
    name: "quickjs-ng",
    version: QUICKJS_VERSION,
    purl: `pkg:generic/quickjs-ng@${QUICKJS_VERSION}`,
    description: "JavaScript engine, linked into the executable",
    scope: "required",
    licenses: [{ license: { id: "MIT" } }],
    hashes: [{ alg: "SHA-256", content: QUICKJS_SHA256 }],
  };
}

function libraries(architectures) {
  const known = new Map(architectures.map((arch) => [libraryOf(arch).name, libraryOf(arch)]));
  return [...known.values()].map(({ name, licence, version }) => ({
    type: "library",
    "bom-ref": `pkg:generic/${name}@${version}`,
    name,
    version,
    purl: `pkg:generic/${name}@${version}`,
    description: "C library, linked into the executable and tsrunc-init",
    scope: "required",
    licenses: [{ license: { id: licence } }],
  }));
}

export function billOfMaterials({ version, date, architectures }) {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
  const linked = [engine(), ...libraries(architectures)];
  const packages = npmComponents(lock);
  const root = `pkg:npm/tsrunc@${version}`;
  const direct = Object.keys(lock.packages[""].dependencies ?? {});
  const bom = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      timestamp: date.toISOString(),
      component: {
        ...{ type: "application", "bom-ref": root, name: "tsrunc", version, purl: root },
        licenses: [{ license: { id: "Apache-2.0" } }],
      },
    },
    components: [...linked, ...packages].sort((one, other) => (one["bom-ref"] < other["bom-ref"] ? -1 : 1)),
    dependencies: [
      {
        ref: root,
        dependsOn: [
          ...linked.map((component) => component["bom-ref"]),
          ...packages
            .filter(({ name, scope }) => scope === "required" && direct.includes(name))
            .map(({ purl }) => purl),
        ].sort(),
      },
    ],
  };
  return { name: `tsrunc-${version}.cdx.json`, content: Buffer.from(`${JSON.stringify(bom, null, 2)}\n`) };
}
