import { expect, test } from "bun:test";
import { median, medianRatio, quantile, shuffled, smallest } from "../../bench/statistics.ts";

test("quantiles lie between the samples around them", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(quantile([10, 20, 30, 40, 50], 0.95)).toBeCloseTo(48);
  expect(quantile([7], 0.95)).toBe(7);
  expect(quantile([1, 2], 0)).toBe(1);
  expect(quantile([1, 2], 1)).toBe(2);
  expect(median([])).toBeNaN();
});

test("the ratio is that of samples of the same round: slow rounds do not count against anybody", () => {
  const base = [10, 100, 10, 50, 10];
  const twice = base.map((sample) => 2 * sample);
  expect(medianRatio(twice, base)).toBe(2);
  expect(medianRatio([...twice, 1], base)).toBe(2);
});

test("shuffling keeps all items, and every order comes", () => {
  const orders = new Set<string>();
  for (let i = 0; i < 500; i++) orders.add(shuffled(["a", "b", "c"]).join(""));
  expect([...orders].sort()).toEqual(["abc", "acb", "bac", "bca", "cab", "cba"]);
  const items = [1, 2];
  shuffled(items, () => 0);
  expect(items).toEqual([1, 2]);
});

test("bisection finds the smallest value with few questions", async () => {
  for (const wanted of [1, 2, 37, 8191, 8192]) {
    const asked: number[] = [];
    const holds = async (value: number) => asked.push(value) > 0 && value >= wanted;
    expect(await smallest(1, 8192, holds)).toBe(wanted);
    expect(asked.length).toBeLessThanOrEqual(14);
    expect(new Set(asked).size).toBe(asked.length);
  }
  expect(await smallest(1, 8192, async () => false)).toBeUndefined();
});
