/** A process that `exec` brings into a container, watched from inside from its first moment to its program. */
import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { area, check } from "../../conformance/lib/harness.ts";
import { baseSpec, type Process, USUAL_CAPABILITIES } from "../../conformance/lib/spec.ts";
import { ATTACKERS, type Attacker, ROUNDS, Watch } from "./lib/observer.ts";

area();

const LITTLE = [...USUAL_CAPABILITIES];
const CAPABILITIES = { bounding: LITTLE, effective: LITTLE, permitted: LITTLE };
const FILTER = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["reboot", "swapon"], action: "SCMP_ACT_ERRNO" }],
};

/** What makes tsrunc order its steps in another way. */
const KINDS: Readonly<Record<string, { process?: Partial<Process>; seccomp?: object; unseen?: boolean }>> = {
  "nothing special": {},
  "a user": { process: { user: { uid: 1000, gid: 1000, additionalGids: [29] } } },
  noNewPrivileges: { process: { noNewPrivileges: true } },
  "a filter": { seccomp: FILTER },
  "a filter and noNewPrivileges": { seccomp: FILTER, process: { noNewPrivileges: true } },
  "a filter and a user": { seccomp: FILTER, process: { user: { uid: 1000, gid: 1000 } } },
  "a scheduler": { process: { scheduler: { policy: "SCHED_BATCH", nice: 1 } } },
  "a program that is not there": { process: { args: ["/bin/nothing"] }, unseen: true },
};

for (const attacker of Object.keys(ATTACKERS) as Attacker[])
  for (const [kind, { process, seccomp, unseen }] of Object.entries(KINDS))
    check(`exec with ${kind} shows nothing of the host to ${attacker}`, async (t) => {
      const target = baseSpec();
      target.process = {
        ...target.process,
        capabilities: CAPABILITIES,
        args: ["/bin/sleep", "0.02"], // long enough to be seen by a busy observer
        ...process,
      };
      const watch = await Watch.begin(t, attacker, target, (spec) => {
        if (seccomp !== undefined) spec.linux.seccomp = seccomp as Record<string, unknown>;
      });
      const file = watch.container.file("process.json");
      writeFileSync(file, JSON.stringify(target.process));
      for (let round = 0; round < ROUNDS; round++)
        await watch.host.call(["exec", "--process", file, watch.container.id]);
      const findings = await watch.end();
      expect(findings.processes > 0).toBe(unseen !== true);
      expect(findings.holes).toEqual([]);
    });
