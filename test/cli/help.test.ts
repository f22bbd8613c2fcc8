import { expect, test } from "bun:test";
import { completionScript, completions, helpText, suggestion } from "../../src/cli/help.ts";
import { verbNames } from "../../src/cli/table.ts";

test("help of every verb starts as runc's does, and names the flags", async () => {
  for (const verb of verbNames()) {
    const lines = (await helpText("runc", verb)).split("\n");
    expect(lines[0]).toBe("NAME:");
    expect(lines[1]).toStartWith(`   runc ${verb} - `);
  }
  expect(await helpText("runc", "run")).toMatch(/-b, --bundle +DIR: /);
});

test("help of the program lists the verbs and the version", async () => {
  const text = await helpText("runc", undefined);
  expect(text.split("\n")[1]).toBe("   runc - Open Container Initiative runtime");
  expect(text).toContain("runc version ");
  for (const verb of verbNames()) expect(text).toContain(`runc ${verb} `);
  expect(text).toContain("--cgroup-manager");
});

test("the word that was meant is found, and nothing far-fetched", async () => {
  expect(await suggestion("sttae", verbNames())).toBe("state");
  expect(await suggestion("bundel", ["console-socket", "bundle"])).toBe("bundle");
  expect(await suggestion("frob", verbNames())).toBeUndefined();
});

test("completion: verbs, then flags or ids", async () => {
  const ids = () => ["box1", "box2"];
  expect(completions(["tsrunc", "st"], ids)).toEqual(["start", "state"]);
  expect(completions(["tsrunc", "--log-"], ids)).toEqual(["--log-format"]);
  expect(completions(["tsrunc", "kill", "box"], ids)).toEqual(["box1", "box2"]);
  expect(completions(["tsrunc", "--debug", "delete", "--"], ids)).toEqual(["--force"]);
  expect(completions(["tsrunc", "list", ""], ids)).toEqual([]);
  expect(await completionScript("runc")).toContain("runc --get-yargs-completions");
});
