/** Run under Node and under Bun by runtime.test.ts: arguments are the library, a bundle and a state root. */
import { readFileSync } from "node:fs";

const [library, bundle, root] = process.argv.slice(2);
const { Runtime, TsruncError, programText } = await import(library);
const runtime = new Runtime({ root });
const seen = {};

seen.plan = programText(runtime.plan("planned", { bundle })).includes("pivot");
await runtime.create("life", { bundle }, { stdio: "ignore" });
seen.created = runtime.state("life").status;
const { pid } = runtime.state("life");
seen.comm = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
await runtime.start("life");
seen.running = runtime.state("life").status;
seen.exec = await runtime.exec("life", { args: ["/bin/sh", "-c", "exit 5"] }, { stdio: "ignore" });
seen.again = await runtime.start("life").catch((error) => error instanceof TsruncError && error.code);
await runtime.kill("life", "KILL");
while (runtime.state("life").status !== "stopped") await new Promise((resolve) => setTimeout(resolve, 5));
await runtime.delete("life");
seen.left = runtime.list().length;
seen.status = await runtime.run("short", { bundle: `${bundle}-exits` }, { stdio: "ignore" });
const failed = await runtime.run("failed", { bundle: `${bundle}-fails` }, { stdio: "ignore" }).catch((error) => error);
seen.failed = [failed.code, failed.at];
console.log(JSON.stringify(seen));
