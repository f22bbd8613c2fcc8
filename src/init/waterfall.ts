/** `--timings`: phases of TypeScript and ops of tsrunc-init on one time axis. */
import type { Phase } from "../timing.ts";
import type { Label, Labels, Report } from "./report.ts";

export interface Row {
  readonly lane: "tsrunc" | "launcher" | "init" | "cleanup";
  readonly name: string;
  /** Microseconds since the process began. */
  readonly start: number;
  readonly duration: number;
}

/** All rows in the order in which they began. */
export function timingRows(phases: readonly Phase[], timings: readonly Report[], labels: Labels): Row[] {
  const origin = phases[0]?.start ?? Number(timings[0]?.startNs ?? 0n);
  const rows: Row[] = phases.map(({ name, start, end }) => {
    return { lane: "tsrunc", name, start: (start - origin) / 1000, duration: (end - start) / 1000 };
  });
  const lastPhase = phases.at(-1)?.end;
  const firstOp = Math.min(...timings.map((t) => Number(t.startNs)));
  if (lastPhase !== undefined && Number.isFinite(firstOp)) {
    const duration = (firstOp - lastPhase) / 1000;
    rows.push({ lane: "tsrunc", name: "exec of tsrunc-init", start: (lastPhase - origin) / 1000, duration });
  }
  for (const t of timings) {
    const name = nameOf(labels[t.list]?.[t.index]);
    const [start, end] = [Number(t.startNs), Number(t.endNs)];
    rows.push({ lane: t.list, name, start: (start - origin) / 1000, duration: (end - start) / 1000 });
  }
  return rows.sort((a, b) => a.start - b.start);
}

function nameOf(label: Label | undefined): string {
  const [op, what] = label ?? ["op", null];
  return what === null ? op : `${op} ${what}`;
}

const BAR = 40;

/** One line per row: start, duration, lane, a bar, the name. Waiting for the other side is dotted. */
export function timingText(rows: readonly Row[]): string {
  const total = Math.max(...rows.map((row) => row.start + row.duration), 1);
  const lines = rows.map((row) => {
    const from = Math.min(BAR - 1, Math.floor((row.start / total) * BAR));
    const width = Math.max(1, Math.min(BAR - from, Math.round((row.duration / total) * BAR)));
    const bar = " ".repeat(from) + (isWait(row) ? "·" : "█").repeat(width);
    return `${row.start.toFixed(0).padStart(8)} ${row.duration.toFixed(0).padStart(7)}  ${row.lane.padEnd(8)} ${bar.padEnd(BAR)}  ${row.name}`;
  });
  return [`${"at µs".padStart(8)} ${"µs".padStart(7)}  ${"by".padEnd(8)} ${"".padEnd(BAR)}  what`, ...lines, ""].join(
    "\n",
  );
}

function isWait(row: Row): boolean {
  return row.name === "await" || row.name === "supervise";
}

const COLORS: Readonly<Record<Row["lane"], string>> = {
  tsrunc: "#4c78a8",
  launcher: "#f58518",
  init: "#54a24b",
  cleanup: "#e45756",
};

/** The same as one SVG file with nothing outside it. */
export function timingSvg(rows: readonly Row[], title: string): string {
  const total = Math.max(...rows.map((row) => row.start + row.duration), 1);
  const [left, width, line] = [330, 700, 16];
  const height = 50 + rows.length * line;
  const scale = width / total;
  const bars = rows.map((row, i) => {
    const y = 36 + i * line;
    const x = left + row.start * scale;
    const w = Math.max(1, row.duration * scale);
    const opacity = isWait(row) ? 0.25 : 1;
    return (
      `<text x="${left - 8}" y="${y + 11}" text-anchor="end">${escapeText(row.name.slice(0, 48))}</text>` +
      `<rect x="${x.toFixed(1)}" y="${y + 2}" width="${w.toFixed(1)}" height="${line - 4}" fill="${COLORS[row.lane]}" opacity="${opacity}"/>` +
      `<text x="${(x + w + 4).toFixed(1)}" y="${y + 11}" fill="#777">${row.duration.toFixed(0)} µs</text>`
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 90}" height="${height}" font-family="sans-serif" font-size="11">` +
    `<rect width="100%" height="100%" fill="#fff"/>` +
    `<text x="8" y="20" font-size="14">${escapeText(title)}: ${(total / 1000).toFixed(2)} ms</text>${bars.join("")}</svg>\n`
  );
}

/** Text as XML has it between tags. */
export function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
