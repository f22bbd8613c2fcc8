/** The completion scripts in real shells: what becomes of a line when somebody types it and presses the tab key. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { until } from "../../conformance/lib/runtime.ts";

const EXECUTABLE = path.resolve(import.meta.dir, "../../dist/tsrunc");
let directory = "";

/** A directory with containers' state, a bundle, files, and the runtime under two names. */
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "completion-"));
  for (const name of ["root/demo1", "root/other", "place/bundle", "bin"])
    mkdirSync(path.join(directory, name), { recursive: true });
  writeFileSync(path.join(directory, "place/file.log"), "");
  for (const name of ["tsrunc", "my-runc"]) symlinkSync(EXECUTABLE, path.join(directory, "bin", name));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** How each shell is started without the user's settings; its prompt is `ready>`. */
const SHELLS = {
  bash: ["bash --norc --noprofile -i", "PS1='ready> '; bind 'set enable-bracketed-paste off'"],
  zsh: ["zsh -f -i", "PS1='ready> '; unset zle_bracketed_paste; bindkey -e; autoload -U compinit; compinit -D -u"],
  fish: ["fish --private --no-config -i", "function fish_prompt; echo -n 'ready> '; end; set -g fish_greeting"],
} as const;

class Session {
  private seen = "";
  private readonly child: ChildProcessWithoutNullStreams;

  constructor(command: string) {
    const env = { HOME: directory, PATH: `${directory}/bin:/usr/bin:/bin`, TERM: "dumb", LC_ALL: "C.UTF-8" };
    this.child = spawn("script", ["-qfec", `stty columns 400; exec ${command}`, "/dev/null"], { cwd: directory, env });
    this.child.stdout.on("data", (data) => {
      this.seen += data;
    });
  }

  type(keys: string): void {
    this.child.stdin.write(keys);
  }

  /** Waits for a text that comes after all that was waited for before. */
  async expect(pattern: RegExp): Promise<string> {
    const found = await until(`${pattern} in ${JSON.stringify(this.seen)}`, () => pattern.exec(this.seen) ?? undefined);
    this.seen = this.seen.slice(found.index + found[0].length);
    return found[1] ?? "";
  }

  end(): void {
    this.child.kill("SIGKILL");
  }
}

/** What has become of a line: it is made an argument of `echo`. The slash of a directory goes with some keys in zsh. */
async function completed(session: Session, line: string): Promise<string> {
  session.type(`${line}\t`);
  session.type("\x01echo '<''\x05''>'\r");
  return await session.expect(/<(?!')([^<>\r\n]*?)[ /]*>[\r\n]/);
}

const LINES: Readonly<Record<string, string>> = {
  "tsrunc checkp": "tsrunc checkpoint",
  "tsrunc --log-f": "tsrunc --log-format",
  "tsrunc --log-format j": "tsrunc --log-format json",
  "tsrunc --log-format=j": "tsrunc --log-format=json",
  "tsrunc delete --fo": "tsrunc delete --force",
  "tsrunc --root root kill de": "tsrunc --root root kill demo1",
  "tsrunc --root=root kill de": "tsrunc --root=root kill demo1",
  "tsrunc --root ./root delete --force ot": "tsrunc --root ./root delete --force other",
  "tsrunc kill demo1 WIN": "tsrunc kill demo1 WINCH",
  "tsrunc run --bundle place/": "tsrunc run --bundle place/bundle",
  "tsrunc run --bundle=place/bu": "tsrunc run --bundle=place/bundle",
  "tsrunc --log place/fi": "tsrunc --log place/file.log",
  "tsrunc --log=place/fi": "tsrunc --log=place/file.log",
  "tsrunc completion f": "tsrunc completion fish",
  "tsrunc frob x": "tsrunc frob x",
  "my-runc resu": "my-runc resume",
};

describe.each(["bash", "zsh", "fish"] as const)("%s", (shell) => {
  test("completes verbs, flags, values, ids, directories and files", async () => {
    const [command, settings] = SHELLS[shell];
    const session = new Session(command);
    try {
      session.type(`${settings}\r`);
      const source = shell === "fish" ? "NAME completion fish | source" : `source <(NAME completion ${shell})`;
      for (const name of ["tsrunc", "my-runc"]) session.type(`${source.replace("NAME", name)}\r`);
      session.type("echo all''set\r");
      await session.expect(/allset/);
      const found: Record<string, string> = {};
      for (const line of Object.keys(LINES)) found[line] = await completed(session, line);
      expect(found).toEqual(LINES);
    } finally {
      session.end();
    }
  }, 60_000);
});
