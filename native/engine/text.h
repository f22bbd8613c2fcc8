/* Text between JavaScript and the kernel. */
#ifndef TSRUNC_ENGINE_TEXT_H
#define TSRUNC_ENGINE_TEXT_H
#include <quickjs.h>
#include <stddef.h>
#include <stdint.h>

enum encoding { UTF8, LATIN1, BYTES };

/* A string, or with BYTES an ArrayBuffer. What is not UTF-8 becomes U+FFFD, as the Encoding Standard has it. */
JSValue text_decode(JSContext *context, const uint8_t *data, size_t length, int encoding);
/* The same of a C string in UTF-8. */
JSValue text_new(JSContext *context, const char *text);
/* UTF-8 and a NUL, to be released with JS_FreeCString; surrogates without their other half become U+FFFD. */
const char *text_encode(JSContext *context, size_t *length, JSValueConst value);

#endif
