/** Init of a created container, seen by whoever comes into its pid namespace, and by the program that a hook of it runs. */
import { expect } from "bun:test";
import { copyFileSync } from "node:fs";
import type { Container } from "../../conformance/lib/container.ts";
import { area, check, type Scope } from "../../conformance/lib/harness.ts";
import { grant, type Process, type Spec, setNamespace, useUserNamespace } from "../../conformance/lib/spec.ts";
import { ATTACKERS, type Attacker, type Findings, Host, OWN_NAMESPACES, plant, readFindings } from "./lib/observer.ts";

area();

const FILTER = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["reboot", "swapon"], action: "SCMP_ACT_ERRNO" }],
};

interface Kind {
  readonly process?: Partial<Process>;
  readonly patch?: (spec: Spec, container: Container) => void;
}

/** Of every kind that makes init keep something until `start`. */
const KINDS: Readonly<Record<string, Kind>> = {
  "nothing special": {},
  "a user": { process: { user: { uid: 1000, gid: 1000 } } },
  "a filter": {
    patch: (spec) => {
      spec.linux.seccomp = FILTER;
    },
  },
  "a filter and noNewPrivileges": {
    process: { noNewPrivileges: true },
    patch: (spec) => {
      spec.linux.seccomp = FILTER;
    },
  },
  "no procfs": {
    patch: (spec) => {
      spec.mounts = spec.mounts.filter(({ destination }) => destination !== "/proc");
    },
  },
  "hooks of the host": {
    patch: (spec) => {
      const kinds = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] as const;
      spec.hooks = Object.fromEntries(kinds.map((kind) => [kind, [{ path: "/bin/true" }]]));
    },
  },
  "a user namespace": {
    patch: (spec) => {
      useUserNamespace(spec);
    },
  },
};

async function make(t: Scope, host: Host, patch: (spec: Spec, self: Container) => void): Promise<Container> {
  const c = t.container(patch);
  c.save();
  t.cleanup(async () => {
    await host.call(["delete", "--force", c.id]);
  });
  return c;
}

function expectNothing(findings: Findings): void {
  expect(findings.processes).toBeGreaterThanOrEqual(1);
  expect(findings.holes).toEqual([]);
}

for (const attacker of Object.keys(ATTACKERS) as Attacker[])
  for (const [name, kind] of Object.entries(KINDS))
    check(`a created container with ${name} shows nothing of the host to ${attacker}`, async (t) => {
      const host = new Host(t);
      const c = await make(t, host, (spec, self) => {
        Object.assign(spec.process, { args: ["/bin/true"], ...kind.process });
        kind.patch?.(spec, self);
      });
      await host.must(["create", "--bundle", c.bundle, c.id], { stdout: c.outputFile });
      const pid = await host.pid(c.id);
      const visitor = await make(t, host, (spec, self) => {
        grant(spec, ...ATTACKERS[attacker]);
        plant(self);
        if (c.spec.linux.uidMappings !== undefined) setNamespace(spec, "user", `/proc/${pid}/ns/user`);
        setNamespace(spec, "pid", `/proc/${pid}/ns/pid`);
        spec.process.args = host.words("look", c.spec, OWN_NAMESPACES);
      });
      expectNothing(readFindings((await host.must(["run", "--bundle", visitor.bundle, visitor.id])).stdout));
      await host.must(["start", c.id]);
      await host.must(["delete", "--force", c.id]);
    });

for (const attacker of Object.keys(ATTACKERS) as Attacker[])
  for (const [name, kind] of Object.entries(KINDS)) {
    if (name === "no procfs") continue; // the hook would see no process at all
    for (const way of ["run", "create and start"])
      check(
        `the startContainer hook of a container with ${name} finds nothing of the host by ${way} with ${attacker}`,
        async (t) => {
          const host = new Host(t);
          const c = await make(t, host, (spec, self) => {
            Object.assign(spec.process, { args: ["/bin/true"], ...kind.process });
            grant(spec, ...ATTACKERS[attacker]);
            kind.patch?.(spec, self);
            plant(self);
            const words = host.words("look", spec, OWN_NAMESPACES);
            spec.hooks = {
              ...spec.hooks,
              startContainer: [{ path: "/bin/sh", args: ["sh", "-c", `${words.join(" ")} > /tmp/found`] }],
            };
          });
          if (way === "run") await host.must(["run", "--bundle", c.bundle, c.id]);
          else {
            await host.must(["create", "--bundle", c.bundle, c.id], { stdout: c.outputFile });
            await host.must(["start", c.id]);
            await host.must(["delete", "--force", c.id]);
          }
          copyFileSync(c.inside("tmp/found"), c.file("found"));
          expectNothing(readFindings(await Bun.file(c.file("found")).text()));
        },
      );
  }
