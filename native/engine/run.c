/* Running another program and reading what it says: ps(1), which the verb `ps` asks. */
#include "host.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

/* A program under way, and the ends of two pipes to which it writes. */
struct child {
  pid_t pid;
  int ends[2];
};

/* The engine ignores SIGPIPE, which a program that it starts would inherit. Returns 0 or an errno. */
static int default_signals(posix_spawnattr_t *attributes)
{
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  int error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF);
  return error == 0 ? posix_spawnattr_setsigdefault(attributes, &pipe) : error;
}

static int spawn(struct child *child, char **args, const int writers[2])
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0)
    return error;
  error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  for (int i = 0; i < 2 && error == 0; i++)
    error = posix_spawn_file_actions_adddup2(&actions, writers[i], i + 1);
  if (error == 0 && (error = posix_spawnattr_init(&attributes)) == 0) {
    error = default_signals(&attributes);
    if (error == 0)
      error = posix_spawnp(&child->pid, args[0], &actions, &attributes, args, this_process.env);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

static void close_both(const int fds[2])
{
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0)
      close(fds[i]);
}

/* Returns 0 or -errno. */
static int start(struct child *child, char **args)
{
  int writers[2] = {-1, -1}, error = 0;
  child->ends[0] = child->ends[1] = -1;
  for (int i = 0; i < 2 && error == 0; i++) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
      error = errno;
      break;
    }
    child->ends[i] = ends[0];
    writers[i] = ends[1];
  }
  if (error == 0)
    error = spawn(child, args, writers);
  close_both(writers);
  if (error != 0)
    close_both(child->ends);
  return -error;
}

/* Reads until both pipes are at their end. Returns 0 or -errno. */
static int read_both(JSContext *context, struct child *child, struct content contents[2], size_t most)
{
  struct pollfd polled[2];
  for (int i = 0; i < 2; i++)
    polled[i] = (struct pollfd){.fd = child->ends[i], .events = POLLIN};
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    if (poll(polled, 2, -1) < 0 && errno != EINTR)
      return -errno;
    for (int i = 0; i < 2; i++) {
      if (polled[i].fd < 0 || polled[i].revents == 0)
        continue;
      int more = content_read(context, polled[i].fd, &contents[i]);
      if (more < 0 || contents[i].length > most)
        return more < 0 ? more : -ENOBUFS;
      if (more == 0)
        polled[i].fd = -1;
    }
  }
  return 0;
}

static int wait_for(const struct child *child)
{
  int status;
  while (waitpid(child->pid, &status, 0) < 0)
    if (errno != EINTR)
      return -errno;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* run(args, most): [status, stdout, stderr], or -errno */
JSValue host_run(JSContext *context, JSValueConst this, int argc, JSValueConst *argv)
{
  (void)this;
  int64_t most;
  char **args = argc == 2 && JS_ToInt64(context, &most, argv[1]) == 0 ? host_strings(context, argv[0]) : NULL;
  if (args == NULL || args[0] == NULL)
    return JS_ThrowTypeError(context, "run: a program and a limit are wanted");
  struct child child;
  int error = start(&child, args);
  if (error < 0)
    return JS_NewInt32(context, error);
  uint8_t first[2][READ_SIZE];
  struct content contents[2] = {{first[0], first[0], 0, READ_SIZE}, {first[1], first[1], 0, READ_SIZE}};
  error = read_both(context, &child, contents, (size_t)most);
  if (error < 0)
    kill(child.pid, SIGKILL);
  close_both(child.ends);
  int status = wait_for(&child);
  JSValue result = JS_NewInt32(context, error);
  if (error == 0) {
    result = JS_NewArray(context);
    JS_SetPropertyUint32(context, result, 0, JS_NewInt32(context, status));
    for (uint32_t i = 0; i < 2; i++)
      JS_SetPropertyUint32(context, result, i + 1, text_decode(context, contents[i].data, contents[i].length, UTF8));
  }
  for (int i = 0; i < 2; i++)
    content_free(context, &contents[i]);
  return result;
}
