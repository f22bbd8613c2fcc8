#!/usr/bin/env bash
# Builds tsrunc-init with the address and undefined-behaviour sanitizers into an executable of its own, and runs parts of the
# conformance suite with it: what a sanitizer finds ends the process, and the test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=dist/sanitized
mkdir -p "$folder"
gcc -std=c11 -D_GNU_SOURCE -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -Isrc/generated -Inative \
  -o "$folder/tsrunc-init" native/*.c
node --input-type=module -e '
  import { buildExecutable } from "./scripts/engine.mjs";
  import { toolchainFor } from "./scripts/toolchain.mjs";
  const [folder, script] = ["dist/sanitized", "dist/engine/tsrunc.js"].map((name) => `${process.cwd()}/${name}`);
  const init = `${folder}/tsrunc-init`;
  await buildExecutable({ toolchain: toolchainFor(), out: `${folder}/tsrunc`, init, script, folder });'
export RUNTIME=$PWD/$folder/tsrunc
exec node_modules/.bin/bun test --timeout 120000 \
  ./conformance/{run,hooks,mounts,terminal,large,seccomp,process,devices,namespaces,rootfs,security}.test.ts
