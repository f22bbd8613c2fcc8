/** Run under each host by verbs.test.ts: the library, the directory of the bundles and a state root. */
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";

const [library, bundles, root] = process.argv.slice(2);
const { Runtime, TsruncError } = await import(library);
const runtime = new Runtime({ root });
const seen = {};
const quiet = { stdio: "ignore" };
/** The cgroups of two runs of these tests must not be one. */
const name = (id) => `${id}-${process.pid}`;

const cgroupFile = (id, controller, file) => {
  const { cgroup } = JSON.parse(readFileSync(`${root}/${id}/state.json`, "utf8"));
  return readFileSync(`${cgroup.paths[cgroup.version === "v2" ? "" : controller]}/${file}`, "utf8").trim();
};
const codeOf = async (action) => {
  try {
    await action();
    return "no error";
  } catch (error) {
    return error instanceof TsruncError ? error.code : String(error);
  }
};
// Without pipes: a detached container would keep them open.
const commandLine = (...args) =>
  execFileSync("node", [library.replace("lib/index.js", "cli.js"), "--root", root, ...args], { stdio: "ignore" });

await runtime.create(name("box"), { bundle: `${bundles}/sleeps` }, quiet);
await runtime.start(name("box"));
const { pid } = runtime.state(name("box"));

await runtime.pause(name("box"));
seen.paused = runtime.state(name("box")).status;
seen.pausedTwice = await codeOf(() => runtime.pause(name("box")));
seen.execPaused = await codeOf(() => runtime.exec(name("box"), { args: ["/bin/sh"] }, quiet));
await runtime.resume(name("box"));
seen.resumed = runtime.state(name("box")).status;

await runtime.update(name("box"), { pids: { limit: 77 }, memory: { limit: 50 * 2 ** 20 } });
seen.updated = [cgroupFile(name("box"), "pids", "pids.max")];
seen.updateWrong = await codeOf(() => runtime.update(name("box"), { pids: { limit: "many" } }));
seen.keptAfterWrong = cgroupFile(name("box"), "pids", "pids.max");

const stats = runtime.stats(name("box"));
seen.stats = [stats.pids.limit, stats.memory.usage.limit, stats.pids.current >= 1, stats.cpu.usage.total > 0];

rmSync(`${bundles}/sleeps/rootfs/go`, { force: true });
const spawned = await runtime.spawn(
  name("box"),
  { args: ["/bin/sh", "-c", "while [ ! -e /go ]; do sleep 0.01; done; exit 9"] },
  quiet,
);
const pids = runtime.ps(name("box"));
seen.ps = [pids.includes(pid), pids.includes(spawned.pid)];
const [header, ...table] = runtime.processTable(name("box"), ["-eo", "pid,comm"]).trim().split("\n");
const listed = table.map((line) => Number(line.trim().split(/\s+/)[0]));
seen.table = [
  header.trim().split(/\s+/),
  listed.includes(pid),
  listed.includes(spawned.pid),
  listed.includes(process.pid),
];
seen.exec = await runtime.exec(name("box"), { args: ["/bin/sh", "-c", ": > /go; exit 5"] }, quiet);
seen.spawned = await spawned.exit;
const processObject = { args: ["/bin/sh", "-c", 'exit "$CODE"'], cwd: "/", env: ["CODE=6"], user: { uid: 0, gid: 0 } };
seen.execObject = await runtime.exec(name("box"), { process: processObject }, quiet);
seen.execWrong = await codeOf(() => runtime.exec(name("box"), { process: { args: [] } }, quiet));
seen.execSignal = await runtime.exec(name("box"), { args: ["/bin/sh", "-c", "kill -9 $$"] }, quiet);

seen.events = [];
for await (const event of runtime.events(name("box"), { intervalMs: 20 })) {
  seen.events.push([event.type, event.id === name("box"), event.data.pids.limit]);
  if (seen.events.length === 2) break;
}
seen.eventsWrong = await codeOf(() => runtime.events(name("box"), { intervalMs: 0 }));

seen.listed = runtime.list().map(({ id, status }) => [id === name("box"), status]);
seen.deleteRunning = await codeOf(() => runtime.delete(name("box")));
const other = new Runtime({ root });
const waits = [runtime.wait(name("box")), runtime.wait(name("box")), other.wait(name("box"))];
const rest = runtime.events(name("box"), { intervalMs: 60_000 });
const last = rest.next();
await runtime.kill(name("box"), "KILL", { all: true });
seen.waited = await Promise.all(waits.map((wait) => wait.then((status) => status ?? "unknown")));
seen.eventsEnd = await last;
seen.waitedAfter = [await runtime.wait(name("box")), (await other.wait(name("box"))) ?? "unknown"];
seen.eventsStopped = await codeOf(() => runtime.events(name("box")).next());
seen.statsStopped = await codeOf(() => runtime.stats(name("box")));
await other.close();
await runtime.delete(name("box"));
seen.waitDeleted = await codeOf(() => runtime.wait(name("box")));

// Made here and started by the command line, and the other way round.
await runtime.create(name("mixed"), { bundle: `${bundles}/exits` }, quiet);
commandLine("start", name("mixed"));
seen.mixed = await runtime.wait(name("mixed"));
await runtime.delete(name("mixed"));
commandLine("run", "--detach", "--bundle", `${bundles}/sleeps`, name("foreign"));
const foreign = runtime.wait(name("foreign"));
await runtime.kill(name("foreign"), 9);
seen.foreign = (await foreign) ?? "unknown";
commandLine("delete", name("foreign"));

seen.detached = [
  await runtime.run(name("away"), { bundle: `${bundles}/exits`, detach: true }, quiet),
  await runtime.wait(name("away")),
];
await runtime.delete(name("away"));
seen.kept = [
  await runtime.run(name("kept"), { bundle: `${bundles}/exits`, keep: true }, quiet),
  runtime.state(name("kept")).status,
];
await runtime.delete(name("kept"));

// Descriptors of this process, one of them twice.
const file = `${bundles}/output-${process.pid}`;
const fd = openSync(file, "w");
seen.output = [await runtime.run(name("says"), { bundle: `${bundles}/says` }, { stdio: ["ignore", fd, fd] })];
closeSync(fd);
seen.output.push(readFileSync(file, "utf8").trim().split("\n"));
const passed = openSync(file, "w");
const preserved = { stdio: ["ignore", "ignore", "ignore", passed] };
seen.preserved = [await runtime.run(name("keeps"), { bundle: `${bundles}/keeps`, preserveFds: 1 }, preserved)];
await runtime.run(name("other"), { bundle: `${bundles}/sleeps`, detach: true }, quiet);
const keeping = await runtime.spawn(
  name("other"),
  { args: ["/bin/sh", "-c", "echo more >&3"], preserveFds: 1 },
  preserved,
);
seen.preserved.push((await keeping.exit) ?? "unknown", keeping.pid > 1);
await runtime.delete(name("other"), { force: true });
seen.badDescriptor = await runtime.run(name("bad"), { bundle: `${bundles}/exits` }, { stdio: [900, 900, 900] }).then(
  () => "no error",
  () => "an error",
);
closeSync(passed);
seen.preserved.push(readFileSync(file, "utf8").trim().split("\n"));

// Out of memory, and gone as soon as that is known.
seen.oom = [];
for (let i = 0; i < 3; i++) {
  await runtime.create(name("hungry"), { bundle: `${bundles}/hungry` }, quiet);
  const events = runtime.events(name("hungry"), { intervalMs: 60_000 });
  const first = events.next();
  await runtime.start(name("hungry"));
  await runtime.wait(name("hungry"));
  await runtime.delete(name("hungry"), { force: true });
  seen.oom.push((await first).value?.type ?? "no event");
}

seen.features = runtime.features().linux.cgroup.v1;
const waiting = (async () => {
  await runtime.create(name("last"), { bundle: `${bundles}/sleeps` }, quiet);
  await runtime.start(name("last"));
  const wait = codeOf(() => runtime.wait(name("last")));
  await runtime.close();
  return wait;
})();
seen.closed = await waiting;
await runtime.delete(name("last"), { force: true });
seen.left = runtime.list().length;
await runtime[Symbol.asyncDispose]();
console.log(JSON.stringify(seen));
