/* The container's program: the least there is, so that what is measured is the runtime. */
int main(void) { return 0; }
