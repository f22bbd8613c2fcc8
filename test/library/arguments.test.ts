/** Every method of the library with every kind of wrong value: an error as of the command line, which names the argument. */
import { describe, expect, test } from "bun:test";
import { checkOptions, METHOD_OPTIONS, type Options, SPEC_OPTIONS } from "../../src/arguments.ts";
import * as library from "../../src/index.ts";
import { Runtime, TsruncError } from "../../src/index.ts";

const circle: Record<string, unknown> = {};
circle.self = circle;

const SAMPLES: Readonly<Record<string, unknown>> = {
  null: null,
  number: 3,
  negative: -1,
  fraction: 1.5,
  huge: 2 ** 53,
  NaN: Number.NaN,
  text: "z",
  empty: "",
  NUL: "a\0b",
  boolean: true,
  list: [],
  texts: ["a", "b", "c"],
  numbers: [1, 2, 3],
  mixed: ["a", 1],
  nested: [["a"], null],
  object: {},
  circle,
  function: () => undefined,
  symbol: Symbol("s"),
  bigint: 3n,
};

/** Which samples are right for what. */
const RIGHT = {
  text: ["text", "empty"],
  path: ["text"],
  texts: ["list", "texts"],
  flag: ["boolean"],
  count: ["number"],
  groups: ["list", "numbers"],
  document: ["object"],
  process: ["text", "object"],
  function: ["function"],
  milliseconds: ["number", "fraction"],
  signal: ["number", "text"],
  stdio: ["numbers"],
  log: ["object", "circle"],
  none: [],
} as const;
type Kind = keyof typeof RIGHT;

const CREATE: Readonly<Record<string, Kind>> = {
  ...{ bundle: "path", config: "path", consoleSocket: "path", pidfdSocket: "path", pidFile: "path" },
  ...{ noPivot: "flag", noNewKeyring: "flag", preserveFds: "count" },
};
const RUN: Readonly<Record<string, Kind>> = { ...CREATE, detach: "flag", keep: "flag", noSubreaper: "flag" };
const EXEC: Readonly<Record<string, Kind>> = {
  ...{ args: "texts", process: "process", cwd: "text", env: "texts", tty: "flag", user: "text", caps: "texts" },
  ...{ additionalGids: "groups", processLabel: "text", apparmor: "text", noNewPrivs: "flag", preserveFds: "count" },
  ...{ cgroups: "texts", ignorePaused: "flag", pidFile: "path", consoleSocket: "path", pidfdSocket: "path" },
};
const SPAWN: Readonly<Record<string, Kind>> = { stdio: "stdio", onWarning: "function" };

type Call = (runtime: Runtime, value: unknown) => unknown;

interface Method {
  /** Arguments that are no options, by name. */
  readonly arguments: Readonly<Record<string, readonly [Kind, Call]>>;
  readonly options?: { readonly kinds: Readonly<Record<string, Kind>>; readonly call: Call; readonly base?: object };
}

/** Types are what is broken here. */
// biome-ignore lint/suspicious/noExplicitAny: the values are wrong on purpose
const bad = (value: unknown): any => value;
const id = (call: Call): Method["arguments"] => ({ id: ["text", call] });

const CONSTRUCTOR: Method = {
  arguments: {},
  options: {
    kinds: { root: "path", cgroupManager: "none", rootless: "flag", log: "log" },
    call: (_, v) => new Runtime(bad(v)),
  },
};

const METHODS: Readonly<Record<string, Method>> = {
  create: {
    arguments: id((r, v) => r.create(bad(v), { bundle: "/b" })),
    options: { kinds: CREATE, call: (r, v) => r.create("x", bad(v)), base: { bundle: "/b" } },
  },
  run: {
    arguments: id((r, v) => r.run(bad(v), { bundle: "/b" })),
    options: { kinds: RUN, call: (r, v) => r.run("x", bad(v)), base: { bundle: "/b" } },
  },
  plan: {
    arguments: id((r, v) => r.plan(bad(v), { bundle: "/b" })),
    options: { kinds: { ...RUN, mode: "none" }, call: (r, v) => r.plan("x", bad(v)), base: { bundle: "/b" } },
  },
  exec: {
    arguments: id((r, v) => r.exec(bad(v), { args: ["x"] })),
    options: { kinds: EXEC, call: (r, v) => r.exec("x", bad(v)), base: { args: ["x"] } },
  },
  spawn: {
    arguments: id((r, v) => r.spawn(bad(v), { args: ["x"] })),
    options: { kinds: EXEC, call: (r, v) => r.spawn("x", bad(v)), base: { args: ["x"] } },
  },
  kill: {
    arguments: { id: ["text", (r, v) => r.kill(bad(v))], signal: ["signal", (r, v) => r.kill("x", bad(v))] },
    options: { kinds: { all: "flag" }, call: (r, v) => r.kill("x", 9, bad(v)) },
  },
  delete: {
    arguments: id((r, v) => r.delete(bad(v))),
    options: { kinds: { force: "flag" }, call: (r, v) => r.delete("x", bad(v)) },
  },
  update: {
    arguments: {
      id: ["text", (r, v) => r.update(bad(v), {})],
      resources: ["document", (r, v) => r.update("x", bad(v))],
    },
  },
  processTable: {
    arguments: {
      id: ["text", (r, v) => r.processTable(bad(v))],
      args: ["texts", (r, v) => r.processTable("x", bad(v))],
    },
  },
  events: {
    arguments: id((r, v) => r.events(bad(v))),
    options: { kinds: { intervalMs: "milliseconds" }, call: (r, v) => r.events("x", bad(v)) },
  },
  start: { arguments: id((r, v) => r.start(bad(v))) },
  wait: { arguments: id((r, v) => r.wait(bad(v))) },
  pause: { arguments: id((r, v) => r.pause(bad(v))) },
  resume: { arguments: id((r, v) => r.resume(bad(v))) },
  state: { arguments: id((r, v) => r.state(bad(v))) },
  ps: { arguments: id((r, v) => r.ps(bad(v))) },
  stats: { arguments: id((r, v) => r.stats(bad(v))) },
  constructor: CONSTRUCTOR,
};

const SPEC: Readonly<Record<string, Kind>> = {
  ...{ rootfs: "path", readonly: "flag", hostname: "text", tty: "flag", cpus: "text", memory: "text" },
  ...{ pids: "text", env: "texts", mounts: "texts", cwd: "text", user: "text", args: "texts" },
};

const NO_ARGUMENTS = ["list", "features", "close"];

const FUNCTIONS: Readonly<Record<string, Method>> = {
  loadSpec: { arguments: { bundle: ["path", (_, v) => library.loadSpec(bad(v))] } },
  parseSpec: { arguments: { file: ["text", (_, v) => library.parseSpec("{}", bad(v))] } },
  readState: {
    arguments: {
      root: ["path", (_, v) => library.readState(bad(v), "x")],
      id: ["text", (_, v) => library.readState("/run/tsrunc-nobody", bad(v))],
    },
  },
  applySpecOptions: {
    arguments: { spec: ["document", (_, v) => library.applySpecOptions(bad(v), {})] },
    options: {
      kinds: SPEC,
      call: (_, v) => library.applySpecOptions(library.defaultSpec(), bad(v)),
    },
  },
};

/** What a call throws, at once or later. */
async function thrownBy(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
}

async function expectRefused(call: () => unknown, method: string, name: string): Promise<void> {
  const error = await thrownBy(call);
  expect(error).toBeInstanceOf(TsruncError);
  expect((error as TsruncError).code).toBe("usage");
  expect((error as TsruncError).message).toStartWith(`\`${method}\``);
  expect((error as TsruncError).message).toContain(`\`${name}\``);
  expect((error as TsruncError).message).not.toContain("\n");
}

function wrongFor(kind: Kind): readonly (readonly [string, unknown])[] {
  const right: readonly string[] = RIGHT[kind];
  return Object.entries(SAMPLES).filter(([name]) => !right.includes(name));
}

test("the table has every method of the library", () => {
  expect([...Object.keys(METHODS), ...NO_ARGUMENTS].sort()).toEqual(
    Object.getOwnPropertyNames(Runtime.prototype).sort(),
  );
});

for (const [method, { arguments: positional, options }] of Object.entries({ ...METHODS, ...FUNCTIONS }))
  describe(method, () => {
    const runtime = new Runtime({ root: "/run/tsrunc-nobody" });
    const said = method === "constructor" ? "new Runtime" : method;

    for (const [name, [kind, call]] of Object.entries(positional))
      test(`argument ${name}`, async () => {
        for (const [, value] of wrongFor(kind)) await expectRefused(() => call(runtime, value), said, name);
      });

    if (options === undefined) return;
    const { kinds, call, base = {} } = options;

    test("options that are no object", async () => {
      for (const value of [null, 3, "z", true, [], Symbol("s"), () => undefined])
        await expectRefused(() => call(runtime, value), said, "options");
    });

    test("an unknown option, and one that is nearly known", async () => {
      await expectRefused(() => call(runtime, { ...base, qwertz: 1 }), said, "qwertz");
      await expectRefused(() => call(runtime, { ...base, toString: 1 }), said, "toString");
      const [first = ""] = Object.keys(kinds).filter((name) => name.length > 3);
      if (first !== "") await expectRefused(() => call(runtime, { ...base, [`${first}x`]: 1 }), said, first);
    });

    for (const [name, kind] of Object.entries(kinds))
      test(`option ${name}`, async () => {
        for (const [, value] of wrongFor(kind))
          await expectRefused(() => call(runtime, { ...base, [name]: value }), said, name);
      });
  });

test("a text that is none is no config.json", async () => {
  for (const value of [null, undefined, 3, {}, [], Symbol("s")])
    await expectRefused(() => library.parseSpec(bad(value)), "parseSpec", "text");
});

test("what a method needs and does not get is named", async () => {
  const runtime = new Runtime();
  for (const options of [undefined, {}, { bundle: undefined }]) {
    await expectRefused(() => runtime.create("x", bad(options)), "create", "bundle");
    await expectRefused(() => runtime.run("x", bad(options)), "run", "bundle");
    await expectRefused(() => runtime.plan("x", bad(options)), "plan", "bundle");
  }
  for (const options of [undefined, {}, { args: [] }, { args: undefined, env: ["A=1"] }]) {
    await expectRefused(() => runtime.exec("x", bad(options)), "exec", "args");
    await expectRefused(() => runtime.spawn("x", bad(options)), "spawn", "args");
  }
});

test("how the process is started is checked too", async () => {
  const runtime = new Runtime({ root: "/run/tsrunc-nobody" });
  const calls: readonly Call[] = [
    (r, v) => r.create("x", { bundle: "/b" }, bad(v)),
    (r, v) => r.run("x", { bundle: "/b" }, bad(v)),
    (r, v) => r.exec("x", { args: ["x"] }, bad(v)),
    (r, v) => r.spawn("x", { args: ["x"] }, bad(v)),
  ];
  for (const call of calls)
    for (const [name, kind] of Object.entries(SPAWN))
      for (const [, value] of wrongFor(kind))
        await expectRefused(() => call(runtime, { [name]: value }), "spawn options", name);
});

test("right values are taken, and undefined is absent", () => {
  const known: Readonly<Record<string, Options>> = { ...METHOD_OPTIONS, applySpecOptions: SPEC_OPTIONS };
  for (const [method, { options }] of Object.entries({ ...METHODS, ...FUNCTIONS }))
    for (const [name, kind] of Object.entries(options?.kinds ?? {})) {
      const table = known[method === "spawn" ? "exec" : method] ?? {};
      for (const sample of RIGHT[kind]) {
        const given = { [name]: SAMPLES[sample], other: undefined };
        expect<object>(checkOptions(method, table, given)).toEqual({ [name]: SAMPLES[sample] });
      }
    }
});
