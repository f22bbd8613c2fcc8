/** An interpreter for what a device program may consist of; anything else is an error, as for the verifier. */
export function runDeviceProgram(
  program: Uint8Array,
  request: { readonly type: "b" | "c"; readonly access: number; readonly major: number; readonly minor: number },
): number {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const context = [(request.access << 16) | (request.type === "b" ? 1 : 2), request.major, request.minor];
  const registers: (number | undefined)[] = [];
  const get = (index: number): number => {
    const value = registers[index];
    if (value === undefined) throw new Error(`r${index} is not initialised`);
    return value;
  };
  for (let at = 0, steps = 0; steps < 10_000; steps++, at++) {
    if (at * 8 >= program.length) throw new Error("fell off the end");
    const code = view.getUint8(at * 8);
    const dst = view.getUint8(at * 8 + 1) & 15;
    const src = view.getUint8(at * 8 + 1) >> 4;
    const off = view.getInt16(at * 8 + 2, true);
    const imm = view.getInt32(at * 8 + 4, true);
    const value = imm >>> 0;
    if (code === 0x61 && src === 1) registers[dst] = (context[off / 4] ?? Number.NaN) >>> 0;
    else if (code === 0xbc) registers[dst] = get(src);
    else if (code === 0xb4) registers[dst] = value;
    else if (code === 0x54) registers[dst] = (get(dst) & imm) >>> 0;
    else if (code === 0x74) registers[dst] = get(dst) >>> imm;
    else if (code === 0x16) at += get(dst) === value ? off : 0;
    else if (code === 0x56) at += get(dst) !== value ? off : 0;
    else if (code === 0x46) at += (get(dst) & imm) !== 0 ? off : 0;
    else if (code === 0x95) return get(0);
    else throw new Error(`unknown instruction ${code.toString(16)}`);
  }
  throw new Error("does not end");
}

/** Whether every instruction can be reached: the kernel refuses a program with dead code. */
export function allReachable(program: Uint8Array): boolean {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const seen = new Set<number>();
  const pending = [0];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    const code = view.getUint8(at * 8);
    if (code === 0x95) continue;
    pending.push(at + 1);
    if ([0x16, 0x56, 0x46].includes(code)) pending.push(at + 1 + view.getInt16(at * 8 + 2, true));
  }
  return seen.size === program.length / 8;
}
