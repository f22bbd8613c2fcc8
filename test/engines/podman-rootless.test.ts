/** podman of an ordinary user. */
import { useEngine } from "./lib/engine.ts";
import { lifeScenarios } from "./lib/life.ts";
import { optionScenarios } from "./lib/options.ts";
import { startRootlessPodman } from "./lib/podman.ts";

const engine = useEngine(startRootlessPodman);

lifeScenarios(engine);
optionScenarios(engine);
