/** What a person sees while cases run: on a terminal one line that is written over, elsewhere a line for each failure. */
import process from "node:process";
import type { Outcome } from "./messages.ts";

export class Progress {
  readonly #all: number;
  readonly #line: boolean;
  #done = 0;
  #failed = 0;

  /** @param shown whether a person is to see it: the result itself may go to the same place. */
  constructor(all: number, shown: boolean) {
    this.#all = all;
    this.#line = shown && process.stderr.isTTY;
  }

  tell({ id, failure }: Outcome): void {
    this.#done++;
    if (failure !== undefined) this.#failed++;
    if (this.#line) {
      const text = `${this.#done}/${this.#all}, ${this.#failed} failed  ${id}`;
      process.stderr.write(`\r\u001b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
    } else if (this.#done % 100 === 0) process.stderr.write(`${this.#done}/${this.#all}, ${this.#failed} failed\n`);
  }

  end(): void {
    if (this.#line) process.stderr.write("\r\u001b[K");
  }
}
