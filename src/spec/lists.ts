/** Lists of CPUs and memory nodes, as in `0-3,7`. */

/** Above what any kernel is built for (NR_CPUS is at most 8192). */
const MAX_NUMBER = 65_535;

/**
 * Why a text is no such list, or undefined when it is one. Blanks around numbers and empty entries are tolerated,
 * as by the kernel (bitmap_parselist).
 */
export function listProblem(list: string): string | undefined {
  if (list === "") return undefined;
  for (const entry of list.split(",").map((part) => part.trim())) {
    if (entry === "") continue;
    const match = /^(\d+)(?:-(\d+))?$/.exec(entry);
    if (match === null) return `\`${entry}\` is neither a number nor a range such as \`0-3\``;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first > last) return `the range \`${entry}\` runs backwards`;
    if (last > MAX_NUMBER) return `\`${entry}\` is above ${MAX_NUMBER}`;
  }
  return undefined;
}

/** The numbers of a list, ascending, each once. The list must have no {@link listProblem}. */
export function parseList(list: string): number[] {
  const ranges: [first: number, last: number][] = [];
  for (const entry of list.split(",")) {
    if (entry.trim() === "") continue;
    const [first = 0, last = first] = entry.split("-").map(Number);
    ranges.push([first, last]);
  }
  ranges.sort(([a], [b]) => a - b);
  const numbers: number[] = [];
  // No number is visited twice, however many ranges have it.
  let next = 0;
  for (const [first, last] of ranges) {
    for (next = Math.max(next, first); next <= last; next++) numbers.push(next);
  }
  return numbers;
}
