/* What the process needs before any TypeScript runs, and a copy of tsrunc-init for a verb that acts. */
#ifndef TSRUNC_ENGINE_FRONT_H
#define TSRUNC_ENGINE_FRONT_H

#include <stddef.h>

/* Opens standard descriptors, leaves a deleted directory; returns argv[0] with what it found. */
char *front_prepare(const char *name);
/* A private, sealed copy of tsrunc-init that can be executed: its descriptor, or -errno. */
int front_copy_init(void);

/*
 * A file in memory with this content, and zeros behind it, where a limit on the size of files (RLIMIT_FSIZE) lets no memfd
 * grow: nobody asks about a mapping, which root of the host can open as a file (/proc/self/map_files). -errno on failure.
 */
int front_mapping(const void *data, size_t size, size_t room, int flags);

#endif
