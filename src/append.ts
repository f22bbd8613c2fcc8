/** `push(...items)` takes no more than a call takes arguments, 65,535; a list of config.json has any length. */
export function append<T>(list: T[], ...all: readonly (readonly T[])[]): void {
  for (const items of all) for (const item of items) list.push(item);
}
