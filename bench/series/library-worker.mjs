/** Takes containers through their lives by the library: `library-worker.mjs LIBRARY ROOT`, see library.ts. */
import { createInterface } from "node:readline";

const [library, root] = process.argv.slice(2);
const { Runtime } = await import(library);
const runtime = new Runtime({ root });
const spawn = { stdio: "ignore" };

const ways = {
  async run(id, bundle) {
    const status = await runtime.run(id, { bundle }, spawn);
    if (status !== 0) throw new Error(`status ${status}`);
  },
  async life(id, bundle) {
    await runtime.create(id, { bundle }, spawn);
    await runtime.start(id);
    await runtime.wait(id);
    await runtime.delete(id);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [way, id, bundle] = JSON.parse(line);
  const begin = process.hrtime.bigint();
  let error = null;
  try {
    await ways[way](id, bundle);
  } catch (caught) {
    error = String(caught);
  }
  console.log(JSON.stringify({ ns: Number(process.hrtime.bigint() - begin), error }));
}
