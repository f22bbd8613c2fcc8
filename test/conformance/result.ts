/** A result with a case of each kind, for the tests of the formats. */
import type { CaseResult, RunResult } from "../../conformance/runner/result.ts";

function found(id: string, more: Partial<CaseResult>): CaseResult {
  const [file = "", sentence = ""] = id.split("/");
  return {
    ...{ id, file, sentence, level: "must", clauses: [], status: "passed", milliseconds: 12 },
    repeat: `tsrunc-conformance --runtime runc --keep '${id}'`,
    ...more,
  };
}

const FAILURE = {
  message: "expect(received).toBe(expected)",
  detail: 'Expected: "a <b> & c"\nReceived: "]]></script>\u0001"',
  place: "kill.test.js:1:2",
  calls: [{ words: ["runc", "kill", "x"], status: 1 }],
  configs: [{ bundle: "/tmp/b", fragment: { linux: { "a<b": true } } }],
};

export const RESULT: RunResult = {
  runtime: { name: "runc", version: "9.9" },
  command: "runc",
  machine: { kernel: "6.1", architecture: "x64", cgroup: 2 },
  started: "2026-01-02T03:04:05.000Z",
  seconds: 1.5,
  cases: [
    found("kill/works # always", { clauses: ["runtime.kill.sends"] }),
    found("kill/fails", { status: "failed", clauses: ["runtime.kill.no-id"], failure: FAILURE }),
    found("kill/known", { status: "known", level: "beyond", reason: "old", failure: FAILURE }),
    found("kill/skipped", { status: "skipped", level: "should", reason: "`cpu`" }),
  ],
  clauses: [
    {
      id: "runtime.kill.sends",
      doc: "runtime.md",
      section: "runtimeKill",
      level: "MUST",
      words: "sends",
      cases: ["kill/works*"],
    },
    {
      id: "runtime.kill.no-id",
      doc: "runtime.md",
      section: "runtimeKill",
      level: "MUST",
      words: "a | b",
      cases: ["kill/fails"],
    },
    { id: "runtime.x", doc: "runtime.md", section: "other", level: "MAY", words: "x", unobservable: "a permission" },
  ],
};
