/* What the process needs before any TypeScript runs, whichever engine runs it. */
#ifndef TSRUNC_ENGINE_FRONT_H
#define TSRUNC_ENGINE_FRONT_H

/* Opens standard descriptors, leaves a deleted directory, makes tsrunc-init's memfd; returns argv[0] with what it found. */
char *front_prepare(const char *name);

#endif
