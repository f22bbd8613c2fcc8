/** Results for people: in the terminal, and as a table of the README. */
import { BASES, type Comparison, highlights, type Results, summarise, type Times } from "./results.ts";

/** A value with its unit: `12.3 ms`, `104 KiB`, `982`. */
export function valueText(unit: Comparison["unit"], value: number): string {
  if (unit === "µs") return `${milliseconds(value)} ms`;
  if (unit === "calls") return `${Math.round(value)}`;
  return value < 10_000 ? `${Math.round(value)} KiB` : `${(value / 1024).toFixed(1)} MiB`;
}

function milliseconds(us: number): string {
  return us < 10_000 ? (us / 1000).toFixed(2) : (us / 1000).toFixed(1);
}

export function terminalTable(results: Results): string {
  const bases = BASES.filter((base) => results.runtimes[base] !== undefined);
  const lines = [
    ...Object.entries(results.runtimes).map(([name, version]) => `${name}: ${version}`),
    environmentLine(results),
    "",
    "Times in ms. `/ runc` is the median of the ratios to runc's sample of the same round.",
    "",
    row("", ["median", "p95", ...bases.map((base) => `/ ${base}`)]),
    ...results.times.flatMap((times) => timesRows(times, bases)),
    "",
    ...figureRows(results),
    ...results.failures.map((failure) => `not measured: ${failure}`),
  ];
  return `${lines.join("\n")}\n`;
}

export function environmentLine({ environment: e, date, seconds }: Results): string {
  const machine = `${e.cores} × ${e.cpu}, Linux ${e.kernel}, ${e.distribution}, cgroup ${e.cgroups}`;
  return `${machine}; load ${e.load.toFixed(2)} before; ${date.slice(0, 10)}, ${Math.round(seconds)} s`;
}

function timesRows(times: Times, bases: readonly string[]): readonly string[] {
  const rows = Object.keys(times.samples).map((name) => {
    const { median, p95, ratios } = summarise(times, name, bases);
    const cells = bases.map((base) => (name === base ? "" : ratioText(ratios[base])));
    return row(`  ${name}`, [milliseconds(median), milliseconds(p95), ...cells]);
  });
  const rounds = Object.values(times.samples)[0]?.length ?? 0;
  return [`${times.metric} (${rounds} rounds)`, ...rows];
}

function figureRows({ figures }: Results): readonly string[] {
  const names = [...new Set(figures.flatMap(({ values }) => Object.keys(values)))];
  if (names.length === 0) return [];
  const rows = figures.map((figure) => {
    const cells = names.map((name) => {
      const value = figure.values[name];
      return value === undefined ? "" : valueText(figure.unit, value);
    });
    return row(figure.metric, cells);
  });
  return [row("", names), ...rows, ""];
}

function row(name: string, cells: readonly string[]): string {
  return `${name.padEnd(42)}${cells.map((cell) => cell.padStart(11)).join("")}`.trimEnd();
}

/** The table of the README: medians, and what part of runc's and crun's those of tsrunc are. */
export function readmeTable(results: Results): string {
  const names = ["tsrunc", ...BASES].filter((name) => results.runtimes[name] !== undefined);
  const bases = names.slice(1);
  const rows = highlights(results).map(({ title, unit, values, ratios }) => {
    const cells = names.map((name) => (values[name] === undefined ? "" : valueText(unit, values[name])));
    return [title, ...cells, ...bases.map((base) => ratioText(ratios[base]))];
  });
  return markdown(["", ...names, ...bases.map((base) => `/ ${base}`)], rows);
}

function ratioText(ratio: number | undefined): string {
  return ratio === undefined || !Number.isFinite(ratio) ? "" : ratio.toFixed(2);
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(" | ")} |`;
  const rule = widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}
