/** Run under each host by server.test.ts: the library, the directory of the bundles, a state root, what to do. */
import { openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";

const [library, bundles, root, mode] = process.argv.slice(2);
const { Runtime } = await import(library);
const runtime = new Runtime({ root });
const quiet = { stdio: "ignore" };
/** The cgroups of two runs of these tests must not be one. */
const name = (id) => `${id}-${process.pid}`;

/** [pid, name] of the children of a process. */
const childrenOf = (pid) =>
  readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    const pids = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" ").filter(Boolean);
    return pids.map((child) => [Number(child), readFileSync(`/proc/${child}/comm`, "utf8").trim()]);
  });
const serverOf = () => childrenOf(process.pid).find(([, name]) => name === "tsrunc-serve")?.[0];
const linksOf = (pid) => readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
const parentOf = (pid) => Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);

/** Whether the secret of the first container is in the memory of a process. */
function contains(pid) {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const secret = ["WORD", "OF", "THE", "FIRST"].join("-");
  return readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .filter((line) => /^\S+ r/.test(line) && !line.includes("[v"))
    .some((line) => {
      const [from, to] = line
        .split(" ")[0]
        .split("-")
        .map((word) => Number(`0x${word}`));
      const bytes = Buffer.alloc(to - from);
      readSync(memory, bytes, 0, bytes.length, from);
      return bytes.includes(secret);
    });
}

if (mode === "life") {
  // For server.test.ts to kill: two containers, one created and one running, and a foreground one.
  await runtime.create(name("created"), { bundle: `${bundles}/sleeps` }, quiet);
  await runtime.run(name("running"), { bundle: `${bundles}/sleeps`, detach: true }, quiet);
  runtime.run(name("foreground"), { bundle: `${bundles}/sleeps` }, quiet).catch(() => {});
  while (runtime.list().filter(({ status }) => status === "running").length < 2)
    await new Promise((r) => setTimeout(r, 5));
  console.log(JSON.stringify([serverOf(), ...childrenOf(serverOf()).map(([pid]) => pid)]));
  setInterval(() => {}, 1000);
} else {
  const seen = { before: serverOf() === undefined };
  await runtime.create(name("one"), { bundle: `${bundles}/secret` }, quiet);
  await runtime.create(name("two"), { bundle: `${bundles}/sleeps` }, quiet);
  const server = serverOf();
  seen.executable = readlinkSync(`/proc/${server}/exe`);
  seen.environment = readFileSync(`/proc/${server}/environ`, "latin1");
  seen.cwd = readlinkSync(`/proc/${server}/cwd`);

  // What the server, its spare child and the init of the second container have open.
  const theirs = new Set(
    linksOf(server).filter((link) => link.startsWith("socket:") || link.startsWith("anon_inode:")),
  );
  const { pid } = runtime.state(name("two"));
  const links = linksOf(pid);
  seen.shared = links.filter((link) => theirs.has(link) && link.startsWith("socket:"));
  seen.kinds = links.filter(
    (link) => link.includes("memfd:") || link.startsWith("anon_inode:") || link.includes("/one"),
  );
  // A program is let go of just after its end was told.
  const programs = () => linksOf(server).filter((link) => link.includes("memfd:program")).length;
  for (let tries = 0; programs() > 0 && tries < 500; tries++) await new Promise((resolve) => setTimeout(resolve, 2));
  seen.programs = programs();
  seen.cmdline = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", "");
  seen.secret = [contains(runtime.state(name("one")).pid), contains(pid), contains(server)];
  seen.parent = parentOf(pid) === server;

  await runtime.start(name("two"));
  const file = `${bundles}/descriptors-${process.pid}`;
  await runtime.exec(
    name("two"),
    { args: ["/bin/sh", "-c", "ls /proc/self/fd"] },
    { stdio: ["ignore", openSync(file, "w"), "ignore"] },
  );
  seen.descriptors = readFileSync(file, "utf8").trim().split("\n");

  // Ended by force: what it made goes on, and the next verb starts another.
  const wait = runtime.wait(name("two"));
  process.kill(server, "SIGKILL");
  while (serverOf() === server) await new Promise((resolve) => setTimeout(resolve, 2));
  seen.alive = runtime.state(name("two")).status;
  await runtime.kill(name("two"), "KILL");
  seen.waited = (await wait) ?? "unknown";
  await runtime.delete(name("two"));
  await runtime.delete(name("one"), { force: true });

  // Many at once.
  const lives = Array.from({ length: 12 }, async (_, i) => {
    const id = name(`many-${i}`);
    await runtime.create(id, { bundle: `${bundles}/exits` }, quiet);
    await runtime.start(id);
    const status = await runtime.wait(id);
    await runtime.delete(id);
    return status;
  });
  seen.many = [...new Set(await Promise.all(lives))];
  seen.failed = await runtime
    .run(name("fails"), { bundle: `${bundles}/fails` }, quiet)
    .catch(({ code, at }) => [code, at]);
  await runtime.close();
  seen.closed = serverOf() === undefined && childrenOf(process.pid).length === 0;
  // Not closed: that must not keep this process from ending.
  await runtime.delete(name("none"), { force: true });
  await runtime.run(name("again"), { bundle: `${bundles}/exits` }, quiet);
  seen.another = serverOf() !== undefined;
  console.log(JSON.stringify(seen));
}
