/* QuickJS takes surrogates for UTF-8, both ways, and skips more than one character where it is wrong: Node does neither. */
#include "text.h"

#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";
#define REPLACEMENT_SIZE 3

static size_t ascii(const uint8_t *data, size_t length)
{
  size_t at = 0;
  for (uint64_t word; at + sizeof word <= length; at += sizeof word) {
    memcpy(&word, data + at, sizeof word);
    if ((word & 0x8080808080808080u) != 0)
      break;
  }
  while (at < length && data[at] < 0x80)
    at++;
  return at;
}

/* The bytes of the character, or of what could have been the beginning of one; `valid` says which. */
static size_t character(const uint8_t *data, size_t length, int *valid)
{
  uint8_t lead = data[0], low = 0x80, high = 0xbf;
  size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4, at = 1;
  *valid = 0;
  if (lead < 0xc2 || lead > 0xf4)
    return 1;
  if (lead == 0xe0)
    low = 0xa0;
  if (lead == 0xed)
    high = 0x9f;
  if (lead == 0xf0)
    low = 0x90;
  if (lead == 0xf4)
    high = 0x8f;
  for (; at < size; at++, low = 0x80, high = 0xbf)
    if (at == length || data[at] < low || data[at] > high)
      return at;
  *valid = 1;
  return size;
}

/* Writes to `out`, where it is not NULL. Returns the size; `wrong` counts. */
static size_t mend(const uint8_t *data, size_t length, uint8_t *out, size_t *wrong)
{
  size_t size = 0;
  *wrong = 0;
  for (size_t at = 0; at < length;) {
    int valid = 1;
    size_t n = ascii(data + at, length - at);
    if (n == 0)
      n = character(data + at, length - at, &valid);
    const void *from = valid ? (const void *)(data + at) : replacement;
    size_t added = valid ? n : REPLACEMENT_SIZE;
    if (out != NULL)
      memcpy(out + size, from, added);
    *wrong += !valid;
    size += added;
    at += n;
  }
  return size;
}

static JSValue utf8(JSContext *context, const uint8_t *data, size_t length)
{
  size_t wrong, size = mend(data, length, NULL, &wrong);
  if (wrong == 0)
    return JS_NewStringLen(context, (const char *)data, length);
  uint8_t *text = js_malloc(context, size);
  if (text == NULL)
    return JS_EXCEPTION;
  mend(data, length, text, &wrong);
  JSValue value = JS_NewStringLen(context, (const char *)text, size);
  js_free(context, text);
  return value;
}

static JSValue latin1(JSContext *context, const uint8_t *data, size_t length)
{
  size_t high = 0;
  for (size_t i = 0; i < length; i++)
    high += data[i] >> 7;
  if (high == 0)
    return JS_NewStringLen(context, (const char *)data, length);
  uint8_t *text = js_malloc(context, length + high);
  if (text == NULL)
    return JS_EXCEPTION;
  size_t at = 0;
  for (size_t i = 0; i < length; i++) {
    if (data[i] >= 0x80)
      text[at++] = (uint8_t)(0xc0 | data[i] >> 6);
    text[at++] = data[i] < 0x80 ? data[i] : (uint8_t)(0x80 | (data[i] & 0x3f));
  }
  JSValue value = JS_NewStringLen(context, (const char *)text, at);
  js_free(context, text);
  return value;
}

JSValue text_decode(JSContext *context, const uint8_t *data, size_t length, int encoding)
{
  if (encoding == UTF8)
    return utf8(context, data, length);
  if (encoding == LATIN1)
    return latin1(context, data, length);
  return JS_NewArrayBufferCopy(context, data, length);
}

JSValue text_new(JSContext *context, const char *text)
{
  return utf8(context, (const uint8_t *)text, strlen(text));
}

const char *text_encode(JSContext *context, size_t *length, JSValueConst value)
{
  char *text = (char *)JS_ToCStringLen(context, length, value);
  char *at = text, *end = text == NULL ? NULL : text + *length;
  /* Surrogates begin with 0xed and a byte from 0xa0. A string of ASCII alone is shared, but has none. */
  while (text != NULL && (at = memchr(at, 0xed, (size_t)(end - at))) != NULL) {
    if ((uint8_t)at[1] >= 0xa0)
      memcpy(at, replacement, REPLACEMENT_SIZE);
    at += REPLACEMENT_SIZE;
  }
  return text;
}
