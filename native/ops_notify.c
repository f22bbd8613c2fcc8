/* sd_notify(3) for containers: of all that a container may say only READY=1 reaches the host's service manager. */
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "init.h"

static int set_address(struct sockaddr_un *address, const char *path, size_t len, socklen_t *size) {
  if (len == 0 || len >= sizeof address->sun_path) return errno = ENAMETOOLONG, -1;
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, len + 1);
  *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
  if (path[0] == '@') { /* an abstract name: no NUL in front of it, none behind it */
    address->sun_path[0] = 0;
    (*size)--;
  }
  return 0;
}

int do_notify_listen(const struct op_notify_listen *op) {
  struct sockaddr_un address;
  socklen_t size;
  int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (sock < 0 || set_address(&address, str(op->path), op->path.len, &size) < 0) return fail(STEP_NOTIFY_LISTEN_SOCKET, str(op->path));
  unlink(str(op->path));
  /* Everybody may write to it, as the umask is 0. No chmod: the container may have the directory by now. */
  if (bind(sock, (struct sockaddr *)&address, size) < 0) return fail(STEP_NOTIFY_LISTEN_BIND, str(op->path));
  return set_slot(op->slot, sock);
}

static bool says_ready(char *text, ssize_t len) {
  text[len] = 0;
  for (char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
    if (!strncmp(line, "READY=1", 7) && (line[7] == '\n' || line[7] == 0)) return true;
  return false;
}

static int forward(const struct op_notify_forward *op, int pidfd, uint64_t pid) {
  char text[4096], message[64] = "READY=1\nMAINPID=";
  int sock = slot_fd(op->slot);
  for (;;) {
    struct pollfd polled[2] = { { .fd = sock, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
    if (poll(polled, 2, -1) < 0 && errno != EINTR) return fail(STEP_NOTIFY_FORWARD_RECEIVE, NULL);
    if (polled[0].revents & POLLIN) {
      ssize_t n = recv(sock, text, sizeof text - 1, 0);
      if (n > 0 && says_ready(text, n)) break;
    } else if (polled[1].revents) return 0; /* it ended and was never ready */
  }
  struct sockaddr_un address;
  socklen_t size;
  int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int len = 16 + put_number(message + 16, pid);
  if (out < 0 || set_address(&address, str(op->socket), op->socket.len, &size) < 0 ||
      sendto(out, message, (size_t)len, MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
    return fail(STEP_NOTIFY_FORWARD_SEND, str(op->socket));
  close(out);
  return 0;
}

int do_notify_forward(const struct op_notify_forward *op) {
  int pidfd = op->pid ? pidfd_open_((pid_t)op->pid) : ctx.pidfd;
  if (pidfd < 0) return errno == ESRCH ? 0 : fail(STEP_NOTIFY_FORWARD_OPEN, NULL);
  uint64_t pid = op->pid ? op->pid : (uint64_t)ctx.pid;
  if (op->background) {
    pid_t child = fork();
    if (child == 0) _exit(forward(op, pidfd, pid) < 0);
    if (child < 0) return fail(STEP_NOTIFY_FORWARD_FORK, NULL);
  } else if (forward(op, pidfd, pid) < 0) return -1;
  if (op->pid) close(pidfd);
  return set_slot(op->slot, -1);
}
