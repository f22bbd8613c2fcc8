/** User namespace mappings and the files of the bundle (config-linux.md, "User namespace mappings"). */
import { chownSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";
import { useUserNamespace } from "./lib/spec.ts";

area();

check("the owners of the files of the root and of a mount stay as they are", async (t) => {
  const c = t.container((spec, self) => {
    useUserNamespace(spec);
    for (const directory of [self.file("source"), self.inside("m")]) mkdirSync(directory);
    spec.mounts.push({ destination: "/m", type: "bind", source: self.file("source"), options: ["bind"] });
  });
  const files = [c.inside("mine"), c.file("source/mine"), c.inside("tmp")];
  for (const file of files.slice(0, 2)) writeFileSync(file, "");
  for (const [i, file] of files.entries()) chownSync(file, 100 + i, 200 + i);
  const owners = () => files.map((file) => [lstatSync(file).uid, lstatSync(file).gid]);
  const before = owners();
  await c.probe("report");
  expect(owners()).toEqual(before);
});
