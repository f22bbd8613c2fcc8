/** What `features` says, and that it is true (features.md, features-linux.md). */
import { spawnSync } from "node:child_process";
import { endianness } from "node:os";
import { expect } from "./lib/expect.ts";
import { area, check, given, type Scope } from "./lib/harness.ts";
import { hostHasCapability, kernelAtLeast, RUNTIME } from "./lib/host.ts";
import { type HookKind, type Spec, setNamespace, useUserNamespace } from "./lib/spec.ts";

area();

interface Features {
  readonly ociVersionMin: string;
  readonly ociVersionMax: string;
  readonly hooks?: readonly HookKind[];
  readonly mountOptions?: readonly string[];
  readonly annotations?: Readonly<Record<string, unknown>>;
  readonly linux?: {
    readonly namespaces?: readonly string[];
    readonly capabilities?: readonly string[];
    readonly seccomp?: {
      readonly actions?: readonly string[];
      readonly operators?: readonly string[];
      readonly archs?: readonly string[];
      readonly knownFlags?: readonly string[];
      readonly supportedFlags?: readonly string[];
    };
    readonly memoryPolicy?: { readonly modes?: readonly string[]; readonly flags?: readonly string[] };
    readonly mountExtensions?: { readonly idmap?: { readonly enabled?: boolean } };
  };
}

function say(): string {
  const done = spawnSync(RUNTIME[0] ?? "", [...RUNTIME.slice(1), "features"], { encoding: "utf8" });
  return done.status === 0 ? done.stdout : "{}";
}

const text = say();
const features = JSON.parse(text) as Features;
const { linux } = features;

/** Properties that the specification defines, per object; objects that are maps of names are left out. */
const DEFINED: Readonly<Record<string, readonly string[]>> = {
  "": [
    "ociVersionMin",
    "ociVersionMax",
    "hooks",
    "mountOptions",
    "linux",
    "annotations",
    "potentiallyUnsafeConfigAnnotations",
  ],
  linux: [
    ...["namespaces", "capabilities", "cgroup", "seccomp", "apparmor", "selinux", "intelRdt", "memoryPolicy"],
    ...["mountExtensions", "netDevices"],
  ],
  "linux/cgroup": ["v1", "v2", "systemd", "systemdUser", "rdma"],
  "linux/seccomp": ["enabled", "actions", "operators", "archs", "knownFlags", "supportedFlags"],
  "linux/apparmor": ["enabled"],
  "linux/selinux": ["enabled"],
  "linux/intelRdt": ["enabled", "schemata", "monitoring"],
  "linux/memoryPolicy": ["modes", "flags"],
  "linux/mountExtensions": ["idmap"],
  "linux/mountExtensions/idmap": ["enabled"],
  "linux/netDevices": ["enabled"],
};

function propertiesAt(pointer: string): readonly string[] {
  const found = pointer
    .split("/")
    .filter((key) => key !== "")
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], features);
  return Object.keys((found as object | null | undefined) ?? {});
}

/** Whether a container with this change of the smallest configuration can be created. */
async function accepted(t: Scope, change: (spec: Spec) => void): Promise<void> {
  const c = t.container(change);
  const result = await c.tryCreate();
  expect({ code: result.code, stderr: result.stderr }).toMatchObject({ code: 0 });
  await c.delete("--force");
}

given(text === "{}" ? "the verb `features`" : undefined, () => {
  check("features prints the versions from ociVersionMin to ociVersionMax", () => {
    const number = (version: string) =>
      version
        .split(/[.-]/)
        .slice(0, 3)
        .reduce((sum, part) => sum * 1000 + Number(part), 0);
    expect(features.ociVersionMin).toMatch(/^\d+\.\d+\.\d+/);
    expect(features.ociVersionMax).toMatch(/^\d+\.\d+\.\d+/);
    expect(number(features.ociVersionMax)).toBeGreaterThanOrEqual(number(features.ociVersionMin));
  });

  check("features says the same at every call", () => {
    expect(say()).toBe(text);
  });

  for (const name of ["ociVersionMin", "ociVersionMax"] as const)
    check(`config.json with the ${name} of features is accepted`, async (t) => {
      await accepted(t, (spec) => {
        spec.ociVersion = features[name];
      });
    });

  for (const [pointer, defined] of Object.entries(DEFINED))
    check(`features has no property that is not defined in ${pointer || "its top level"}`, () => {
      expect(propertiesAt(pointer).filter((name) => !defined.includes(name))).toEqual([]);
    });

  check("annotations is a map of strings", () => {
    for (const value of Object.values(features.annotations ?? {})) expect(typeof value).toBe("string");
  });

  check("mountOptions has no option of a file system", () => {
    const data = [
      "size",
      "mode",
      "uid",
      "gid",
      "nr_inodes",
      "lowerdir",
      "upperdir",
      "hidepid",
      "newinstance",
      "ptmxmode",
    ];
    expect((features.mountOptions ?? []).filter((name) => data.includes(name.split("=")[0] ?? ""))).toEqual([]);
  });

  check("every hook kind that features names can be in config.json", async (t) => {
    for (const kind of features.hooks ?? [])
      await accepted(t, (spec) => {
        spec.hooks = { [kind]: [{ path: "/bin/true" }] };
      });
  });

  check("every namespace type that features names can be in config.json", async (t) => {
    for (const type of linux?.namespaces ?? [])
      await accepted(t, (spec) => {
        if (type === "user") useUserNamespace(spec);
        else setNamespace(spec, type);
      });
  });

  check("every capability that features names can be in config.json", async (t) => {
    await accepted(t, (spec) => {
      // What this machine's root lacks cannot be granted, which has cases of its own.
      const names = (linux?.capabilities ?? []).filter((_, bit) => hostHasCapability(bit));
      spec.process.capabilities = { bounding: names, effective: names, permitted: names };
    });
  });

  const rule = (more: object) => ({ names: ["swapon"], action: "SCMP_ACT_ERRNO", ...more });
  const profile = (more: object) => (spec: Spec) => {
    spec.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule({})], ...more };
  };
  // NOTIFY wants an agent, and has cases of its own.
  check("every seccomp action that features names can be in a rule", async (t) => {
    for (const action of (linux?.seccomp?.actions ?? []).filter((name) => name !== "SCMP_ACT_NOTIFY"))
      await accepted(t, profile({ syscalls: [rule({ action })] }));
  });

  check("every seccomp operator that features names can be in a rule", async (t) => {
    for (const op of linux?.seccomp?.operators ?? [])
      await accepted(t, profile({ syscalls: [rule({ args: [{ index: 0, value: 1, valueTwo: 1, op }] })] }));
  });

  // A filter is for architectures of one byte order, as libseccomp and the kernel have it.
  const bigEndian = /^SCMP_ARCH_(MIPS(64|64N32)?|PARISC(64)?|PPC(64)?|S390X?|M68K|SHEB)$/;
  const archs = (linux?.seccomp?.archs ?? []).filter((name) => bigEndian.test(name) === (endianness() === "BE"));
  check("every seccomp architecture of this byte order that features names can be in a profile", async (t) => {
    for (const arch of archs) await accepted(t, profile({ architectures: [arch] }));
  });

  // It goes with NOTIFY alone.
  const flags = (linux?.seccomp?.supportedFlags ?? linux?.seccomp?.knownFlags ?? []).filter(
    (name) => name !== "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
  );
  check("every seccomp flag that features says is supported can be in a profile", async (t) => {
    for (const flag of flags) await accepted(t, profile({ flags: [flag] }));
  });

  const policies = linux?.memoryPolicy;
  given(policies === undefined ? "`memoryPolicy` in features" : undefined, () => {
    check("every memory policy mode that features names is recognized", async (t) => {
      const bare = ["MPOL_DEFAULT", "MPOL_LOCAL"];
      for (const mode of policies?.modes ?? []) {
        const c = t.container((spec) => {
          spec.linux.memoryPolicy = bare.includes(mode) ? { mode } : { mode, nodes: "0" };
        });
        const { code, stderr } = await c.tryCreate();
        // The kernel may lack one that is recognized.
        if (code !== 0) expect(stderr).toMatch(/invalid argument|EINVAL|set_mempolicy/i);
        else await c.delete("--force");
      }
    });

    check("every memory policy flag that features names is recognized", async (t) => {
      for (const flag of policies?.flags ?? []) {
        const c = t.container((spec) => {
          spec.linux.memoryPolicy = { mode: "MPOL_BIND", nodes: "0", flags: [flag] };
        });
        const { code, stderr } = await c.tryCreate();
        if (code !== 0) expect(stderr).toMatch(/invalid argument|EINVAL|set_mempolicy/i);
        else await c.delete("--force");
      }
    });
  });

  check("idmap.enabled of features says that mounts can be mapped", async (t) => {
    if (linux?.mountExtensions?.idmap?.enabled !== true || !kernelAtLeast("6.3")) return;
    await accepted(t, (spec) => {
      const mapping = [{ containerID: 0, hostID: 1000, size: 10 }];
      spec.mounts.push({
        destination: "/m",
        type: "bind",
        source: "/dev/shm",
        options: ["bind", "idmap"],
        ...{ uidMappings: mapping, gidMappings: mapping },
      });
    });
  });
});
