/** A systemd of its own process, that can be stopped: `bun serve.ts PATH UNIT`. */
import { fakeBus, obey } from "./fake-bus.ts";

const [path = "", unit = ""] = process.argv.slice(2);
await fakeBus(path, { call: obey(unit) });
console.log("ready");
