import { expect, test } from "bun:test";
import { render } from "../../conformance/runner/formats/render.ts";
import { RESULT } from "./result.ts";

test("pretty tells of a failure what was expected, config.json's part and how to repeat it, and ends with the counts", () => {
  const text = render([RESULT], "pretty");
  expect(text).toContain("✗ kill/fails");
  expect(text).toContain("must: runtime.kill.no-id");
  expect(text).toContain('Expected: "a <b> & c"');
  expect(text).toContain('config.json: {"linux":{"a<b":true}}');
  expect(text).toContain("again: tsrunc-conformance --runtime runc --keep 'kill/fails'");
  expect(text).toContain("1 for want of `cpu`");
  expect(text).toContain("does not conform: 1 cases of a MUST failed");
  expect(text).toMatch(/\n2 passed, 1 failed, 1 skipped\n$/);
});

test("tap numbers the cases and escapes what begins a directive", () => {
  const lines = render([RESULT], "tap").split("\n");
  expect(lines.slice(0, 3)).toEqual(["TAP version 14", "1..4", "ok 1 - kill/works \\# always"]);
  expect(lines).toContain("not ok 2 - kill/fails");
  expect(lines).toContain("not ok 3 - kill/known # TODO old");
  expect(lines).toContain("ok 4 - kill/skipped # SKIP `cpu`");
});

test("junit is XML whatever a failure says", () => {
  const text = render([RESULT], "junit");
  expect(text).toContain('tests="4" failures="1" skipped="2"');
  expect(text).toContain("Expected: &quot;a &lt;b&gt; &amp; c&quot;");
  expect(text).not.toContain("\u0001");
  expect(text).not.toContain("</script>");
});

test("json can be read again", () => {
  expect(JSON.parse(render([RESULT], "json"))).toEqual(RESULT);
});

test("html holds every result, and nothing of it ends a script or brings in something from outside", () => {
  const text = render([RESULT, { ...RESULT, runtime: { name: "crun", version: "1" } }], "html");
  expect(text.match(/<script/g)).toHaveLength(2);
  expect(text.match(/<\/script>/g)).toHaveLength(2);
  expect(text).not.toMatch(/(src|href)=/);
  expect(text).toContain("crun 1");
  expect(text).toContain('data-status="failed"');
});

test("markdown has a row for every clause, and says why one cannot be observed", () => {
  const text = render([RESULT], "markdown");
  expect(text).toContain("| `runtime.kill.sends` | MUST: sends | `kill/works*` | ✓ 1 |");
  expect(text).toContain("MUST: a \\| b");
  expect(text).toContain("| `runtime.x` | MAY: x | _a permission_ |  |");
});
