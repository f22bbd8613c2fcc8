/* Names in a JSON text that are known but for the case of their letters: every create looks for them. */
#include "host.h"
#include "text.h"

#include <string.h>
#include <strings.h>

#define SLOTS 1024u /* a power of 2, and twice as many as there are names */

struct word {
  const char *start;
  size_t length;
};

/* Equal for words that differ in case only: ASCII letters do in bit 5. */
static unsigned folded(const char *word, size_t length)
{
  unsigned hash = (unsigned)length;
  for (size_t i = 0; i < length; i++)
    hash = hash * 31 + ((unsigned char)word[i] | 0x20);
  return hash ^ hash >> 13;
}

/* Words are separated by blanks. Returns -1 if there are too many. */
static int fill(struct word *table, const char *words, size_t length)
{
  const char *end = words + length;
  unsigned count = 0;
  while (words < end) {
    const char *blank = memchr(words, ' ', (size_t)(end - words));
    size_t size = (size_t)((blank == NULL ? end : blank) - words);
    unsigned at = folded(words, size) % SLOTS;
    while (table[at].start != NULL)
      at = (at + 1) % SLOTS;
    table[at] = (struct word){words, size};
    if (++count > SLOTS / 2)
      return -1;
    words += size + 1;
  }
  return 0;
}

static int is_other_case(const struct word *table, const char *name, size_t length)
{
  int resembles = 0;
  for (unsigned at = folded(name, length) % SLOTS; table[at].start != NULL; at = (at + 1) % SLOTS) {
    if (table[at].length != length || strncasecmp(table[at].start, name, length) != 0)
      continue;
    if (memcmp(table[at].start, name, length) == 0)
      return 0;
    resembles = 1;
  }
  return resembles;
}

static int search(const struct word *table, const char *text, const char *end)
{
  while ((text = memchr(text, '"', (size_t)(end - text))) != NULL) {
    const char *name = ++text;
    int escapes = 0;
    for (; text < end && *text != '"'; text++)
      if (*text == '\\' && text + 1 < end) {
        escapes = 1;
        text++;
      }
    size_t length = (size_t)(text - name);
    if (text < end)
      text++;
    while (text < end && (*text == ' ' || (*text >= '\t' && *text <= '\r')))
      text++;
    if (text < end && *text == ':' && (escapes || is_other_case(table, name, length)))
      return 1;
  }
  return 0;
}

JSValue host_has_other_case(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  size_t length, size;
  struct word table[SLOTS] = {0};
  const char *text = argc == 2 ? text_encode(context, &length, argv[0]) : NULL;
  const char *words = text == NULL ? NULL : text_encode(context, &size, argv[1]);
  int found = words != NULL && (fill(table, words, size) < 0 || search(table, text, text + length));
  int failed = words == NULL;
  if (words != NULL)
    JS_FreeCString(context, words);
  if (text != NULL)
    JS_FreeCString(context, text);
  return failed ? JS_EXCEPTION : JS_NewBool(context, found);
}
