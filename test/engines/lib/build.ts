/** Building an image in whose steps the runtime runs programs. */
import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { call, type Engine, must } from "./engine.ts";
import { IMAGE } from "./image.ts";
import { describe } from "./run.ts";
import { subdirectory } from "./workspace.ts";

const FILE = `FROM ${IMAGE}
ENV GREETING=hello
WORKDIR /work
COPY given /work/given
RUN cat given >made && echo $GREETING >>made && id -u >>made
USER app
RUN id -u >/tmp/user && test ! -w /etc/passwd
CMD ["cat", "/work/made", "/tmp/user"]
`;

/** Writes a build context; its directory. */
export function buildContext(name: string): string {
  const directory = subdirectory(`build/${name}`);
  writeFileSync(path.join(directory, "Dockerfile"), FILE);
  writeFileSync(path.join(directory, "given"), "given\n");
  writeFileSync(path.join(directory, "Dockerfile.failing"), `FROM ${IMAGE}\nRUN echo broken; exit 23\n`);
  chmodSync(directory, 0o755);
  return directory;
}

/** Registers a build, a run of what it made, and a build that fails. `build` is the engine's command without context. */
export function buildScenario(
  engine: () => Engine,
  title: string,
  build: readonly string[],
  env: Readonly<Record<string, string>> = {},
): void {
  test(`${title}: RUN steps`, async () => {
    const name = title.replaceAll(/\W+/g, "-").toLowerCase();
    const context = buildContext(name);
    const options = { env: { ...(engine().env ?? process.env), ...env } };
    const result = await call(engine(), [...build, "-t", name, context], options);
    if (result.code !== 0) throw new Error(describe(build, result));
    expect(await must(engine(), ["run", ...engine().runFlags, "--rm", name])).toBe("given\nhello\n0\n1000");
    const failing = await call(engine(), [...build, "-f", `${context}/Dockerfile.failing`, context], options);
    expect(failing.code).not.toBe(0);
    expect(failing.stdout + failing.stderr).toContain("23");
  });
}
