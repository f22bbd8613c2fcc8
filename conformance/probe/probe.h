// What the parts of the conformance probe share. It runs as the container's process and reports, as one JSON object
// on stdout, what it sees. Each argument is an operation; the key of its result is the argument itself.
#ifndef PROBE_H
#define PROBE_H

#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>

// json.c
void text(const char *s);
void key(const char *k);
void number(const char *k, long long v);
void string(const char *k, const char *v);
// "OK", or the name of errno where r is negative.
void outcome(long r);
const char *error_name(int e);
const char *kind(mode_t m);
void stat_object(const struct stat *s);
char *slurp(const char *path, size_t *length);

// report.c
void report(char **argv);

// operations.c
void operation(char *op, char **argv);

#endif
