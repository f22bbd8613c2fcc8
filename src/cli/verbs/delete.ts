import { deleteContainer } from "../../container/delete.ts";
import type { Call } from "../call.ts";
import { deleteOptions } from "../options.ts";

export function deleteVerb(call: Call): number | Promise<number> {
  return deleteContainer(call.context, deleteOptions(call));
}
