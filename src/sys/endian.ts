/** Whether words in memory begin with their lowest byte, as everywhere but on s390x. */
export const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A view for words in the machine's order: the accessors of `DataView` take {@link LITTLE}. */
export function viewOf(bytes: ArrayBufferView): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
