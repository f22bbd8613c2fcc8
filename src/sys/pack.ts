/** A short way for the loop that costs most, where the host has one. */
import process from "node:process";
import { type Host, host } from "./quickjs/host.ts";

/** `Host.pack` of the standalone executable; undefined elsewhere. */
export function nativePack(): Host["pack"] | undefined {
  return process.versions.quickjs === undefined ? undefined : host.pack;
}
