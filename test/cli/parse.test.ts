import { describe, expect, test } from "bun:test";
import { parseCommandLine, UsageError } from "../../src/cli/parse.ts";

interface Expected {
  readonly verb: string | undefined;
  readonly args?: readonly string[];
  readonly flags?: Readonly<Record<string, string | readonly string[]>>;
  readonly globals?: Readonly<Record<string, string>>;
  readonly help?: boolean;
}

/** Command lines as engines and people write them; blanks separate words, `''` is an empty one. */
const LINES: Readonly<Record<string, Expected>> = {
  // containerd, by go-runc
  "--root /run/containerd/runc/default --log /b/log.json --log-format json create --bundle /b --pid-file /b/init.pid ID":
    {
      verb: "create",
      args: ["ID"],
      globals: { root: "/run/containerd/runc/default", log: "/b/log.json", "log-format": "json" },
      flags: { bundle: "/b", "pid-file": "/b/init.pid" },
    },
  "--root R --log F --log-format json --systemd-cgroup create --bundle B --pid-file P --console-socket S --no-pivot ID":
    {
      verb: "create",
      args: ["ID"],
      globals: { root: "R", "systemd-cgroup": "true" },
      flags: { "console-socket": "S", "no-pivot": "true" },
    },
  "--root R --log F --log-format json exec --process /tmp/p --console-socket S --detach --pid-file P ID": {
    verb: "exec",
    args: ["ID"],
    flags: { process: "/tmp/p", detach: "true", "pid-file": "P" },
  },
  "--root R --log F --log-format json kill --all ID 9": { verb: "kill", args: ["ID", "9"], flags: { all: "true" } },
  "--root R --log F --log-format json delete --force ID": { verb: "delete", args: ["ID"], flags: { force: "true" } },
  "--root R --log F --log-format json ps --format json ID": { verb: "ps", args: ["ID"], flags: { format: "json" } },
  "--root R --log F --log-format json update --resources - ID": {
    verb: "update",
    args: ["ID"],
    flags: { resources: "-" },
  },
  "--root R --log F --log-format json restore --image-path I --work-path W --bundle B -no-subreaper --detach --pid-file P ID":
    {
      verb: "restore",
      args: ["ID"],
      flags: { "no-subreaper": "true", "image-path": "I" },
    },
  "--root R --log F --log-format json checkpoint --image-path I --work-path W --leave-running --empty-ns network ID": {
    verb: "checkpoint",
    flags: { "leave-running": "true", "empty-ns": ["network"] },
  },
  "--root=R --rootless=true events --interval=5s ID": {
    verb: "events",
    globals: { root: "R", rootless: "true" },
    flags: { interval: "5s" },
  },
  // BuildKit
  "--log F --log-format json run --bundle B ID": { verb: "run", args: ["ID"], flags: { bundle: "B" } },
  // podman, through conmon
  "--debug --log-format=json --log F --cgroup-manager disabled create --bundle B --pid-file P --preserve-fds 2 ID": {
    verb: "create",
    args: ["ID"],
    globals: { debug: "true", "log-format": "json", "cgroup-manager": "disabled" },
    flags: { "preserve-fds": "2" },
  },
  "--log-format=json --log F exec --pid-file P --process F --detach --tty --console-socket S ID": {
    verb: "exec",
    args: ["ID"],
    flags: { tty: "true", detach: "true", "console-socket": "S" },
  },
  "update --resources=/tmp/f ID": { verb: "update", flags: { resources: "/tmp/f" } },
  // buildah
  "create --bundle B --pid-file P --no-new-keyring ID": { verb: "create", flags: { "no-new-keyring": "true" } },
  // Go's style
  "run -b dir ID": { verb: "run", flags: { bundle: "dir" } },
  "run -bundle dir ID": { verb: "run", flags: { bundle: "dir" } },
  "run -bundle=dir ID": { verb: "run", flags: { bundle: "dir" } },
  "run --bundle=dir ID": { verb: "run", flags: { bundle: "dir" } },
  "run --b=dir ID": { verb: "run", flags: { bundle: "dir" } },
  "run -bdir ID": { verb: "run", flags: { bundle: "dir" } },
  "run ID -b dir": { verb: "run", args: ["ID"], flags: { bundle: "dir" } },
  "run ID --detach=false": { verb: "run", args: ["ID"], flags: { detach: "false" } },
  "run --detach=1 --keep=F ID": { verb: "run", flags: { detach: "true", keep: "false" } },
  "run --bundle a --bundle b ID": { verb: "run", flags: { bundle: ["a", "b"] } },
  "run --pid-file '' ID": { verb: "run", args: ["ID"], flags: { "pid-file": "" } },
  "run -- ID": { verb: "run", args: ["ID"] },
  "-- run ID": { verb: "run", args: ["ID"] },
  "run --bundle=a=b ID": { verb: "run", flags: { bundle: "a=b" } },
  "run ID --debug": { verb: "run", args: ["ID"], globals: { debug: "true" } },
  "update --memory -1 ID": { verb: "update", flags: { memory: "-1" } },
  // exec: behind the id everything is the command's
  "exec -td ID ls -l --tty": {
    verb: "exec",
    args: ["ID", "ls", "-l", "--tty"],
    flags: { tty: "true", detach: "true" },
  },
  "exec ID -- ls -- x": { verb: "exec", args: ["ID", "ls", "--", "x"] },
  "exec -- ID ls -h": { verb: "exec", args: ["ID", "ls", "-h"] },
  "exec -e A=1 --env B=2 -u 0:1 ID env": { verb: "exec", flags: { env: ["A=1", "B=2"], user: "0:1" } },
  "exec --cap CAP_A -c CAP_B -g 1 -g 2 ID x": {
    verb: "exec",
    flags: { cap: ["CAP_A", "CAP_B"], "additional-gids": ["1", "2"] },
  },
  "ps ID -f --format x": { verb: "ps", args: ["ID", "-f", "--format", "x"] },
  "spec --rootfs R --cpus 1 --memory 64M --tty=false -- /bin/sh -c x --rootfs": {
    verb: "spec",
    args: ["/bin/sh", "-c", "x", "--rootfs"],
    flags: { rootfs: "R", cpus: "1", tty: "false" },
  },
  // Verb's flag before the global one of the same name
  "spec --rootless": { verb: "spec", flags: { rootless: "true" } },
  // help
  "": { verb: undefined, help: false },
  "--help": { verb: undefined, help: true },
  "-h": { verb: undefined, help: true },
  "state -h": { verb: "state", help: true },
  "-h state": { verb: "state", help: true },
  "help state": { verb: "state", help: true },
  "exec -h": { verb: "exec", help: true },
  "exec ID x -h": { verb: "exec", args: ["ID", "x", "-h"], help: false },
};

const WRONG: Readonly<Record<string, string>> = {
  frob: "unknown command `frob`",
  "frob -h": "No help topic for 'frob'",
  "help frob": "No help topic for 'frob'",
  "--frob state x": "unknown flag `--frob`",
  "state --frob x": "unknown flag `--frob` of `state`",
  "state -v x": "unknown flag `-v` of `state`",
  "run -dpfoo ID": "unknown flag `-dpfoo` of `run`",
  "kill ID -9": "unknown flag `-9` of `kill`",
  "run --bundel d ID": "unknown flag `--bundel` of `run`; did you mean `--bundle`?",
  "run -detahc ID": "unknown flag `-detahc` of `run`; did you mean `--detach`?",
  "sttae ID": "unknown command `sttae`; did you mean `state`?",
  "list --format yaml": "flag `--format`: expected table or json, found `yaml`",
  "list -fjsno": "flag `--format`: expected table or json, found `jsno`; did you mean `json`?",
  "--cgroup-manager Systemd list":
    "flag `--cgroup-manager`: expected cgroupfs or systemd or disabled, found `Systemd`; did you mean `systemd`?",
  "seccomp explian b": "`seccomp`: expected disasm or explain or stats, found `explian`; did you mean `explain`?",
  state: "`state`: missing argument ID (usage: state ID)",
  "state a b": "`state`: unexpected argument `b`",
  "kill a b c": "`kill`: unexpected argument `c`",
  "list a": "`list`: unexpected argument `a`",
  "spec demo": "`spec`: unexpected argument `demo`; a command goes after `--`",
  "run --bundle": "flag `--bundle` needs a value (DIR)",
  "run --detach=maybe ID": "flag `--detach`: expected true or false, found `maybe`",
};

test("a word of any length is compared in no time", () => {
  const start = performance.now();
  expect(() => parseCommandLine(["x".repeat(10_000_000)])).toThrow("unknown command");
  expect(performance.now() - start).toBeLessThan(2000);
});

function split(line: string): string[] {
  return line === "" ? [] : line.split(" ").map((word) => (word === "''" ? "" : word));
}

describe("command lines", () => {
  for (const [line, expected] of Object.entries(LINES)) {
    test(`tsrunc ${line}`, () => {
      const parsed = parseCommandLine(split(line));
      expect(parsed.verb as string | undefined).toBe(expected.verb);
      expect(parsed.help).toBe(expected.help ?? false);
      if (expected.args !== undefined) expect(parsed.args).toEqual(expected.args);
      for (const [name, value] of Object.entries(expected.flags ?? {})) {
        expect(parsed.flags.list(name)).toEqual(typeof value === "string" ? [value] : value);
      }
      for (const [name, value] of Object.entries(expected.globals ?? {})) {
        expect(parsed.globals.string(name)).toBe(value);
      }
    });
  }
});

describe("wrong command lines", () => {
  for (const [line, message] of Object.entries(WRONG)) {
    test(`tsrunc ${line}`, () => {
      expect(() => parseCommandLine(split(line))).toThrow(new UsageError("", message));
    });
  }
});
