/** Finds device rules that meet a given one without a look at all of them: a list of rules may have any length. */
import type { PlainRule } from "./device-rules.ts";

/** Of some rules: for each bit of access, the greatest position of one that names it; -1 for none. */
type Latest = [number, number, number];

/** Rules by where they apply. Positions grow from one rule to the next. */
export class RuleIndex {
  readonly #latest = new Map<string, Latest>();

  add(rule: PlainRule, position: number): void {
    for (const key of placesOf(rule)) {
      let latest = this.#latest.get(key);
      if (latest === undefined) {
        latest = [-1, -1, -1];
        this.#latest.set(key, latest);
      }
      for (let bit = 0; bit < 3; bit++) if (rule.access & (1 << bit)) latest[bit] = Math.max(latest[bit]!, position);
    }
  }

  /** The greatest position of a rule that overlaps with `rule`, or -1. */
  latestOverlap(rule: PlainRule): number {
    let found = -1;
    for (const key of placesMeeting(rule)) {
      const latest = this.#latest.get(key);
      for (let bit = 0; latest !== undefined && bit < 3; bit++) {
        if (rule.access & (1 << bit)) found = Math.max(found, latest[bit]!);
      }
    }
    return found;
  }
}

/** One place for each way in which another rule may name a device of the rule: by both numbers, by one, by none. */
function placesOf({ type, major, minor }: PlainRule): readonly string[] {
  return [`${type} ${major}:${minor}`, `${type} ${major}:any`, `${type} any:${minor}`, `${type} any:any`];
}

/** The places of the rules that have a device in common with the rule: -1 stands for every number. */
function placesMeeting({ type, major, minor }: PlainRule): readonly string[] {
  const majors = major < 0 ? ["any"] : [major, -1];
  const minors = minor < 0 ? ["any"] : [minor, -1];
  return majors.flatMap((a) => minors.map((b) => `${type} ${a}:${b}`));
}

/** Which rules name everything that another one names. */
export class CoverIndex {
  /** By type and numbers: one bit for each sum of access bits that a rule has. */
  readonly #access = new Map<string, number>();

  add({ type, major, minor, access }: PlainRule): void {
    const key = `${type} ${major}:${minor}`;
    this.#access.set(key, (this.#access.get(key) ?? 0) | (1 << access));
  }

  covers({ type, major, minor, access }: PlainRule): boolean {
    for (const key of [`${major}:${minor}`, `${major}:-1`, `-1:${minor}`, "-1:-1"]) {
      const held = this.#access.get(`${type} ${key}`) ?? 0;
      for (let all = access; all < 8; all++) if ((all & access) === access && held & (1 << all)) return true;
    }
    return false;
  }
}
