/* The container's program where one has to stay: waits for a signal that ends it. */
#include <unistd.h>

int main(void) {
  for (;;) pause();
}
