import { expect, test } from "bun:test";
import { parseUnit, slicePath } from "../../src/cgroups/systemd/names.ts";
import { TsruncError } from "../../src/errors.ts";

const unit = (cgroupsPath: string | undefined, id = "one") => parseUnit({ id, cgroupsPath }, "system.slice");

function refusal(action: () => unknown): TsruncError {
  try {
    action();
  } catch (error) {
    if (error instanceof TsruncError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

test("cgroupsPath is slice:prefix:name", () => {
  expect(unit("machine.slice:libpod:abc")).toEqual({ name: "libpod-abc.scope", slice: "machine.slice" });
  expect(unit(":docker:abc")).toEqual({ name: "docker-abc.scope", slice: "system.slice" });
});

test("without a path the unit is named after the container, in systemd's characters", () => {
  expect(unit(undefined)).toEqual({ name: "tsrunc-one.scope", slice: "system.slice" });
  expect(unit("", "a+b_c.d")).toEqual({ name: "tsrunc-a\\x2bb_c.d.scope", slice: "system.slice" });
});

test.each([
  ["/a/b", "slice:prefix:name"],
  ["a.slice:b", "slice:prefix:name"],
  ["a.slice:b:c:d", "slice:prefix:name"],
  ["a.slice:b:", "slice:prefix:name"],
  ["a.slice:b:c.slice", "takes no processes"],
  ["a.slice:b:../../c", "no valid name"],
  ["a.slice:b:c d", "no valid name"],
  [`a.slice:b:${"c".repeat(260)}`, "longer than"],
])("cgroupsPath %j is refused", (path, message) => {
  const error = refusal(() => unit(path));
  expect(error.message).toContain(message);
  expect(error).toMatchObject({ code: "config", at: "/linux/cgroupsPath" });
});

test("a slice lies in those that its name begins with", () => {
  expect(slicePath("system.slice")).toBe("/system.slice");
  expect(slicePath("a-b-c.slice")).toBe("/a.slice/a-b.slice/a-b-c.slice");
  expect(slicePath("-.slice")).toBe("");
});

test.each(["a", "a.scope", ".slice", "-a.slice", "a-.slice", "a--b.slice", "a/b.slice", "../a.slice"])(
  "slice %j is refused",
  (slice) => {
    expect(refusal(() => slicePath(slice)).message).toContain("invalid slice name");
  },
);
