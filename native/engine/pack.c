/* An op's operands as bytes, in one call: in code that is run once, calls are what costs. */
#include "host.h"
#include "text.h"

#include <stdint.h>
#include <string.h>

/* Kinds of operands that pack() writes: as src/program/encode.ts has them. */
enum { NUMBER, TEXT, BOOL };

/* Where an op's operands go, and the texts that belong to them. */
struct packing {
  uint8_t *data;
  size_t size;
  size_t end;
};

static int pack_text(JSContext *context, struct packing *to, JSValueConst value, uint32_t *place)
{
  size_t length;
  const char *text = text_encode(context, &length, value);
  if (text == NULL)
    return -1;
  int fits = length < to->size - to->end;
  if (fits) {
    memcpy(to->data + to->end, text, length);
    to->data[to->end + length] = 0;
    place[0] = (uint32_t)to->end;
    place[1] = (uint32_t)length;
    to->end += length + 1;
  }
  JS_FreeCString(context, text);
  return fits ? 1 : 0;
}

static int pack_operand(JSContext *context, struct packing *to, JSValueConst value, int code, uint8_t *at)
{
  uint64_t word = 0;
  if (JS_IsUndefined(value) || code > BOOL)
    return 1;
  if (code == TEXT) {
    uint32_t place[2] = {0, 0};
    int packed = pack_text(context, to, value, place);
    memcpy(at, place, sizeof place);
    return packed;
  }
  if (code == BOOL)
    word = JS_ToBool(context, value) == 1;
  else if (JS_ToInt64Ext(context, (int64_t *)&word, value) < 0)
    return -1;
  memcpy(at, &word, sizeof word);
  return 1;
}

/*
 * pack(bytes, at, end, op, names, codes): writes the operands of an op that are numbers, texts and booleans from `at` on, and
 * the texts from `end` on. The new end, or -1 where there is not enough room.
 */
JSValue host_pack(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  struct packing to;
  int64_t at, end;
  uint8_t *codes;
  size_t count;
  if (argc != 6 || host_bytes(context, argv[0], &to.data, &to.size) < 0 || JS_ToInt64(context, &at, argv[1]) < 0 ||
      JS_ToInt64(context, &end, argv[2]) < 0 || host_bytes(context, argv[5], &codes, &count) < 0)
    return JS_EXCEPTION;
  if (at < 0 || end < at || (size_t)end > to.size || count * 8 > (size_t)(end - at))
    return JS_ThrowRangeError(context, "operands at %lld of %zu bytes", (long long)at, to.size);
  to.end = (size_t)end;
  int packed = 1;
  for (uint32_t i = 0; packed > 0 && i < count; i++) {
    JSValue name = JS_GetPropertyUint32(context, argv[4], i);
    JSAtom atom = JS_ValueToAtom(context, name);
    JSValue value = JS_GetProperty(context, argv[3], atom);
    packed = JS_IsException(value) ? -1 : pack_operand(context, &to, value, codes[i], to.data + at + 8 * i);
    JS_FreeValue(context, value);
    JS_FreeAtom(context, atom);
    JS_FreeValue(context, name);
  }
  return packed < 0 ? JS_EXCEPTION : JS_NewInt64(context, packed == 0 ? -1 : (int64_t)to.end);
}
