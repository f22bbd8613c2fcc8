/** `node:module` and `node:url` are for FFI and for files beside the script: this host has neither. */
export function createRequire(): never {
  throw new Error("there is no `require` in this host");
}

export function fileURLToPath(): never {
  throw new Error("there are no files beside the script in this host");
}
