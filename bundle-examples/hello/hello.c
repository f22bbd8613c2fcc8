#include <stdio.h>
#include <unistd.h>

int main(void)
{
  char name[256];
  if (gethostname(name, sizeof name) != 0)
    return 1;
  printf("Hello from %s, where I am process %d and user %u.\n", name, (int)getpid(), (unsigned)getuid());
  return 0;
}
