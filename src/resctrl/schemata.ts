/** Lines of a group's `schemata` (Documentation/filesystems/resctrl.rst): `L3:0=7f0;1=1f`, `MB:0=20;1=70`. */

/** Bandwidth is a decimal number, a part of a cache a mask in hexadecimal digits. */
const BANDWIDTH = /^S?MBA?$/;

interface Schema {
  readonly resource: string;
  /** By domain, as a rule the id of a cache. */
  readonly values: ReadonlyMap<number, number>;
}

/** The first line of a text of schemata that holds another value than `wanted` would give it, or has no such domain. */
export function schemaConflict(wanted: string, held: string, granularity: number | undefined): string | undefined {
  const lines = schemasOf(held);
  for (const schema of schemasOf(wanted)) {
    const now = lines.find(({ resource }) => resource === schema.resource);
    for (const [domain, value] of schema.values) {
      const found = now?.values.get(domain);
      if (found !== undefined && (found === value || found === rounded(schema.resource, value, granularity))) continue;
      return `${schema.resource}:${domain}=${found === undefined ? "(none)" : shown(schema.resource, found)}`;
    }
  }
  return undefined;
}

function schemasOf(text: string): Schema[] {
  return text.split("\n").flatMap((line) => {
    const colon = line.indexOf(":");
    if (colon < 0) return [];
    const resource = line.slice(0, colon).trim();
    const radix = BANDWIDTH.test(resource) ? 10 : 16;
    const values = line
      .slice(colon + 1)
      .split(";")
      .map((pair) => pair.split("="))
      .map(([domain = "", value = ""]) => [Number(domain), Number.parseInt(value, radix)] as const);
    return [{ resource, values: new Map(values) }];
  });
}

/** The kernel raises a bandwidth to the next step that the hardware has (bw_validate). */
function rounded(resource: string, value: number, granularity: number | undefined): number {
  if (!BANDWIDTH.test(resource) || granularity === undefined || granularity < 1) return value;
  return Math.ceil(value / granularity) * granularity;
}

function shown(resource: string, value: number): string {
  return value.toString(BANDWIDTH.test(resource) ? 10 : 16);
}
