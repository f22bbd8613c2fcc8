/** Results as a chart: one SVG without scripts, fonts or files of others, for light and dark pages. */
import { escapeText } from "../src/init/waterfall.ts";
import { highlights, type Results } from "./results.ts";
import { valueText } from "./table.ts";

interface Bar {
  readonly name: string;
  readonly value: number;
  readonly label: string;
}

/** One thing that was measured, of all who are compared. */
interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 760;
const LEFT = 210;
const RIGHT = 80;
const TOP = 44;
const BAR = 11;
const GAP = 10;

/** Who is shown, in this order, with their class in the style. */
const SHOWN: Readonly<Record<string, string>> = { tsrunc: "a", runc: "b", crun: "c", floor: "d" };

const STYLE = `
text{font:12px system-ui,sans-serif;fill:#1f2328}.v{font-size:10px;fill:#59636e}
.a{fill:#0969da}.b{fill:#bf8700}.c{fill:#8c959f}.d{fill:#1a7f37}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.v{fill:#9198a1}
.a{fill:#4493f8}.b{fill:#d29922}.c{fill:#656c76}.d{fill:#3fb950}}
`;

/** Horizontal bars: times on one scale, every other quantity on its own. */
export function chart(results: Results): string {
  const parts: string[] = [];
  const names = new Set<string>();
  let y = TOP;
  for (const groups of scales(results)) {
    const most = Math.max(...groups.flatMap(({ bars }) => bars.map(({ value }) => value)), Number.MIN_VALUE);
    for (const group of groups) {
      parts.push(drawGroup(group, y, most));
      y += group.bars.length * BAR + GAP;
      for (const { name } of group.bars) names.add(name);
    }
  }
  const legend = Object.keys(SHOWN).filter((name) => names.has(name));
  const title = "tsrunc beside runc and crun: medians, shorter is better";
  const size = `viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${title}">`,
    `<title>${title}</title>`,
    `<style>${STYLE}</style>`,
    ...legend.map((name, index) => drawKey(name, LEFT + index * 90)),
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/** Groups that share a scale. */
function scales(results: Results): readonly (readonly Group[])[] {
  const groups = highlights(results).map(({ title, unit, values }) => {
    const names = Object.keys(SHOWN).filter((name) => values[name] !== undefined);
    const bars = names.map((name) => ({ name, value: values[name]!, label: valueText(unit, values[name]!) }));
    return { unit, group: { title, bars } };
  });
  const times = groups.filter(({ unit }) => unit === "µs").map(({ group }) => group);
  const others = groups.filter(({ unit }) => unit !== "µs").map(({ group }) => [group]);
  return [times, ...others];
}

function drawGroup({ title, bars }: Group, top: number, most: number): string {
  const middle = top + (bars.length * BAR) / 2 + 4;
  const parts = bars.map(({ name, value, label }, index) => {
    const y = top + index * BAR;
    const width = (value / most) * (WIDTH - LEFT - RIGHT);
    const box = `<rect class="${SHOWN[name]}" x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 1}"/>`;
    return `${box}<text class="v" x="${(LEFT + width + 5).toFixed(1)}" y="${y + BAR - 2}">${escapeText(label)}</text>`;
  });
  return [`<text x="${LEFT - 10}" y="${middle}" text-anchor="end">${escapeText(title)}</text>`, ...parts].join("\n");
}

function drawKey(name: string, x: number): string {
  return `<rect class="${SHOWN[name]}" x="${x}" y="14" width="12" height="12"/><text x="${x + 18}" y="24">${escapeText(name)}</text>`;
}
