/** Id-mapped mounts: `uidMappings` and `gidMappings` of a mount, `idmap` and `ridmap` (config.md, "Mounts"; Linux 5.12). */
import { execFileSync } from "node:child_process";
import { chownSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, given } from "./lib/harness.ts";
import { lacksKernel } from "./lib/needs.ts";
import { type IdMapping, type Mount, useUserNamespace } from "./lib/spec.ts";

area();

const MAP: IdMapping[] = [{ containerID: 0, hostID: 300000, size: 1000 }];

/** A bind of a fresh host directory with files of ids 0 and 7. */
function bindOf(c: Container, more: Partial<Mount> & Record<string, unknown>): Mount {
  mkdirSync(c.file("source/sub"), { recursive: true });
  mkdirSync(c.inside("m"));
  for (const [name, id] of [
    ["file", 0],
    ["sub/other", 7],
  ] as const) {
    writeFileSync(c.file(`source/${name}`), "text\n");
    chownSync(c.file(`source/${name}`), id, id);
  }
  return { destination: "/m", type: "bind", source: c.file("source"), options: ["bind"], ...more };
}

given(lacksKernel("5.12"), () => {
  check("uidMappings and gidMappings of a mount map its files' owners", async (t) => {
    const c = t.container((spec, self) => {
      const gidMappings = [{ containerID: 0, hostID: 400000, size: 1000 }];
      spec.mounts.push(bindOf(self, { uidMappings: MAP, gidMappings }));
    });
    const result = await c.probe("stat=/m/file", "stat=/m/sub/other");
    expect(result.stat("stat=/m/file")).toMatchObject({ uid: 300000, gid: 400000 });
    expect(result.stat("stat=/m/sub/other")).toMatchObject({ uid: 300007, gid: 400007 });
    expect(lstatSync(c.file("source/file")).uid).toBe(0);
  });

  check(
    "a mount that is mapped as the user namespace shows the host's owners, and files are made as them",
    async (t) => {
      const c = t.container((spec, self) => {
        useUserNamespace(spec);
        spec.mounts.push(
          bindOf(self, {
            uidMappings: spec.linux.uidMappings,
            gidMappings: spec.linux.gidMappings,
          }),
        );
      });
      const result = await c.probe("stat=/m/file", "stat=/m/sub/other", "creat=/m/new");
      expect(result.stat("stat=/m/file")).toMatchObject({ uid: 0, gid: 0 });
      expect(result.stat("stat=/m/sub/other")).toMatchObject({ uid: 7, gid: 7 });
      expect(result.of("creat=/m/new")).toBe("OK");
      expect(lstatSync(c.file("source/new"))).toMatchObject({ uid: 0, gid: 0 });
    },
  );

  check("the option idmap maps a mount as the container's user namespace", async (t) => {
    const c = t.container((spec, self) => {
      useUserNamespace(spec);
      spec.mounts.push(bindOf(self, { options: ["bind", "idmap"] }));
    });
    expect((await c.probe("stat=/m/sub/other")).stat("stat=/m/sub/other")).toMatchObject({ uid: 7, gid: 7 });
  });

  for (const [option, below] of [
    ["idmap", 7],
    ["ridmap", 300007],
  ] as const)
    check(`${option} maps ${option === "idmap" ? "only the mount itself" : "the mounts below it too"}`, async (t) => {
      const c = t.container((spec, self) => {
        spec.mounts.push(bindOf(self, { options: ["rbind", option], uidMappings: MAP, gidMappings: MAP }));
      });
      execFileSync("mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", c.file("source/sub")]);
      try {
        writeFileSync(c.file("source/sub/file"), "");
        chownSync(c.file("source/sub/file"), 7, 7);
        const result = await c.probe("stat=/m/file", "stat=/m/sub/file");
        expect(result.stat("stat=/m/file").uid).toBe(300000);
        expect(result.stat("stat=/m/sub/file").uid).toBe(below);
      } finally {
        execFileSync("umount", [c.file("source/sub")]);
      }
    });

  const REFUSED: Readonly<Record<string, Partial<Mount> & Record<string, unknown>>> = {
    "without mappings or a user namespace": { options: ["bind", "idmap"] },
    "with uidMappings alone": { uidMappings: MAP },
    "with gidMappings alone": { gidMappings: MAP },
    "that is no bind": { type: "tmpfs", source: "tmpfs", options: [], uidMappings: MAP, gidMappings: MAP },
  };
  for (const [sentence, more] of Object.entries(REFUSED))
    check(`an id-mapped mount ${sentence} is refused and leaves nothing`, async (t) => {
      const c = t.container((spec, self) => {
        spec.mounts.push(bindOf(self, more));
      });
      const result = await c.run();
      expect(result.code).not.toBe(0);
      expect(result.stderr).not.toBe("");
    });
});
