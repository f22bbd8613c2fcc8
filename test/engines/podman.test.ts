/** podman as root, with conmon. */
import { expect, test } from "bun:test";
import { background, call, inspect, must, useEngine } from "./lib/engine.ts";
import { lifeScenarios } from "./lib/life.ts";
import { limitScenarios } from "./lib/limits.ts";
import { optionScenarios } from "./lib/options.ts";
import { startPodman } from "./lib/podman.ts";

const engine = useEngine(startPodman);

lifeScenarios(engine);
optionScenarios(engine);
limitScenarios(engine);
