import { supportedFeatures } from "../../container/features.ts";
import { print } from "../log.ts";

export function featuresVerb(): number {
  print(`${JSON.stringify(supportedFeatures(), undefined, 4)}\n`);
  return 0;
}
