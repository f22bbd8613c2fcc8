/** What is said about samples. */

/** The `q`-quantile by linear interpolation between the two samples around it. NaN of no samples. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const [low = Number.NaN, high = low] = sorted.slice(below, below + 2);
  return low + (high - low) * (position - below);
}

/** NaN of no samples. */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/**
 * Median of the ratios of samples that were taken in the same round. A slow moment of the machine is in both of them,
 * so that this moves less than the ratio of the medians does.
 */
export function medianRatio(samples: readonly number[], base: readonly number[]): number {
  const rounds = Math.min(samples.length, base.length);
  return median(samples.slice(0, rounds).map((sample, round) => sample / base[round]!));
}

/** Uniform permutation of the items. `random` gives numbers in [0, 1). */
export function shuffled<T>(items: readonly T[], random: () => number = Math.random): T[] {
  const result = [...items];
  for (let left = result.length; left > 1; left--) {
    const chosen = Math.floor(random() * left);
    [result[left - 1], result[chosen]] = [result[chosen]!, result[left - 1]!];
  }
  return result;
}

/**
 * The smallest integer in `from`..`to` for which `holds` is true, where it is true for all greater ones.
 * Undefined when it is not true for `to`.
 */
export async function smallest(
  from: number,
  to: number,
  holds: (value: number) => Promise<boolean>,
): Promise<number | undefined> {
  if (!(await holds(to))) return undefined;
  let [low, high] = [from, to];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await holds(middle)) high = middle;
    else low = middle + 1;
  }
  return high;
}
