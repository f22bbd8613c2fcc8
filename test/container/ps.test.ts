import { expect, test } from "bun:test";
import { filterTable } from "../../src/container/ps.ts";

const TABLE = "UID   PID  PPID CMD\nroot    1     0 init\nroot   12     1 sleep 12\nroot  120     1 sh 12\n";

test("ps keeps the header and the lines of the pids, as they are", () => {
  expect(filterTable(TABLE, [12, 7])).toBe("UID   PID  PPID CMD\nroot   12     1 sleep 12\n");
  expect(filterTable(TABLE, [])).toBe("UID   PID  PPID CMD\n");
});

test("ps finds the pid by its header, wherever it is", () => {
  expect(filterTable("   PPID     PID\n      5       6\n      6       7\n", [6])).toBe(
    "   PPID     PID\n      5       6\n",
  );
  expect(filterTable("PID\n6\n", [6])).toBe("PID\n6\n");
});

test("ps without a column of pids is an error in runc's words", () => {
  expect(() => filterTable("COMMAND\nsh\n", [6])).toThrow("couldn't find PID field in ps output");
  expect(() => filterTable("", [6])).toThrow("couldn't find PID field in ps output");
});
