/* Tries to use two CPUs for a second, then 256 MiB of memory, and tells how far it came. */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BUSY 2
#define WALL_SECONDS 2.0
#define MIB (1024 * 1024)
#define HOG_MIB 256

static double now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void burn(double seconds)
{
  double end = now() + seconds;
  while (now() < end)
    ;
}

static void show_cpu(void)
{
  double start = now();
  for (int i = 0; i < BUSY; i++)
    if (fork() == 0) {
      burn(WALL_SECONDS);
      _exit(0);
    }
  for (int i = 0; i < BUSY; i++)
    wait(NULL);
  struct rusage used;
  getrusage(RUSAGE_CHILDREN, &used);
  double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  printf("cpu: %d busy loops used %.0f %% of one CPU\n", BUSY, 100 * cpu / (now() - start));
}

static void hog(volatile int *reached)
{
  for (int i = 0; i < HOG_MIB; i++) {
    char *block = malloc(MIB);
    if (block == NULL)
      _exit(1);
    memset(block, i | 1, MIB);
    *reached = i + 1;
  }
  _exit(0);
}

static void show_memory(void)
{
  int *reached = mmap(NULL, sizeof *reached, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (reached == MAP_FAILED)
    return;
  pid_t child = fork();
  if (child == 0)
    hog(reached);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    printf("memory: the hog was killed by signal %d after %d MiB\n", WTERMSIG(status), *reached);
  else
    printf("memory: the hog got %d MiB and ended with status %d\n", *reached, WEXITSTATUS(status));
}

int main(void)
{
  setvbuf(stdout, NULL, _IOLBF, 0);
  show_cpu();
  show_memory();
  return 0;
}
