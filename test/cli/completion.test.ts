import { expect, test } from "bun:test";
import { complete, completionText } from "../../src/cli/completion.ts";
import { completionScript } from "../../src/cli/completion-scripts.ts";
import { choicesOf, flagsOf, globalSpec, verbNames, verbSpec } from "../../src/cli/table.ts";

function ids(root: string | undefined): readonly string[] {
  return root === undefined ? ["box1", "box2"] : [`in-${root}`];
}

function words(line: string): readonly string[] {
  return complete(line.split(" "), ids).candidates.map(({ word }) => word);
}

test.each([
  ["st", ["start", "state"]],
  ["--log-", ["--log-format"]],
  ["--log-format ", ["text", "json"]],
  ["--log-format=j", ["--log-format=json"]],
  ["-log-format=j", ["-log-format=json"]],
  ["--cgroup-manager s", ["systemd"]],
  ["kill box", ["box1", "box2"]],
  ["--root /x kill ", ["in-/x"]],
  ["--root=/x --debug kill ", ["in-/x"]],
  ["kill --root=/x ", ["in-/x"]],
  ["kill box1 WI", ["WINCH"]],
  ["kill -- box", ["box1", "box2"]],
  ["kill -a box", ["box1", "box2"]],
  ["--debug delete --", ["--force"]],
  ["delete --force --", []],
  ["delete box1 --f", ["--force"]],
  ["run ", []],
  ["create ", []],
  ["list ", []],
  ["list -f ", ["table", "json"]],
  ["exec --cwd / --en", ["--env"]],
  ["exec --env A=1 --en", ["--env"]],
  ["exec box", ["box1", "box2"]],
  ["exec box1 --", []],
  ["exec -- box1 --", []],
  ["seccomp ", ["disasm", "explain", "stats"]],
  ["completion ", ["bash", "zsh", "fish"]],
  ["help sta", ["start", "state"]],
  ["help start ", []],
  ["frob --log-f", ["--log-format"]],
] as const)("after `tsrunc %s`", (line, expected) => {
  expect(words(line)).toEqual([...expected]);
});

test.each([
  ["--log ", "files"],
  ["--log=/t", "files"],
  ["--root ", "directories"],
  ["run -b ", "directories"],
  ["run --console-socket=", "files"],
  ["seccomp stats ", "files"],
  ["check ", "files"],
  ["exec box1 ", "nothing"],
  ["run --detach=", "nothing"],
] as const)("after `tsrunc %s` the shell looks for %s", (line, paths) => {
  expect(complete(line.split(" "), ids)).toEqual({ candidates: [], paths });
});

test("each verb and each flag is offered with what it does, and each choice of a flag", () => {
  expect(complete([""], ids).candidates).toEqual(
    verbNames().map((name) => ({ word: name, text: verbSpec(name).summary })),
  );
  for (const spec of [globalSpec(), ...verbNames().map(verbSpec)]) {
    const before = spec.name === "" ? [] : [spec.name];
    const flags = flagsOf(spec);
    const offered = complete([...before, "-"], ids).candidates;
    expect(offered).toEqual(flags.map(({ name, text }) => ({ word: `--${name}`, text })));
    for (const { name, value, kind } of flags) {
      const { candidates } = complete([...before, `--${name}`, ""], ids);
      if (kind !== "bool") expect(candidates.map(({ word }) => word)).toEqual([...choicesOf(value)]);
    }
  }
});

test("an answer is one candidate a line, and what the shell is to look for", () => {
  expect(completionText(complete(["sta"], ids))).toBe(
    "start\trun the program of a created container\nstate\tprint the state of a container as JSON\n:nothing\n",
  );
  expect(completionText(complete(["--log", ""], ids))).toBe(":files\n");
});

test("the scripts are for the name under which the program was started", () => {
  expect(completionScript("runc", "bash")).toEndWith("complete -F _runc runc\n");
  expect(completionScript("my-runc.1", "zsh")).toContain("compdef _my_runc_1 my-runc.1\n");
  expect(completionScript("a b'c", "fish")).toEndWith("complete -c 'a b'\\''c' -f -a '(_a_b_c)'\n");
});
