/*
 * Calls over D-Bus (D-Bus specification): a connection to a socket of this host, EXTERNAL authentication, messages that come
 * ready-made but for their serial numbers, and of the answers whether they are errors. All that comes from the other side
 * is checked before it is followed.
 */
#include <endian.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include "init.h"

/* Longer messages of others are refused: answers to us are a few hundred bytes. */
#define MESSAGE_MAX 65536u
#define OWN_MAX (64u << 20)
#define LINE_LIMIT 1024u
#define HEADER 16u
#define CONNECT_SECONDS 5
/* How often a call is repeated on a new connection, when one was closed before the answer. */
#define LOST_MAX 3

enum { METHOD_RETURN = 2, METHOD_ERROR = 3, SIGNAL = 4 };
enum { FIELD_MEMBER = 3, FIELD_ERROR = 4, FIELD_REPLY = 5, FIELD_SENDER = 7, FIELD_SIGNATURE = 8 };

struct bus {
  int fd;
  bool direct;   /* a manager itself, and not a message bus */
  bool trusted;  /* it has accepted us */
  bool talking;  /* a message has come: no more lines of the authentication */
  uint32_t serial;
  uint32_t greetings; /* serials up to this one are of the greeting */
  uint32_t have, used;
  char *in, *out;
  size_t out_len, out_size;
};

struct message_view {
  const char *at, *body;
  uint32_t size, body_len, reply_to;
  bool swapped;
  uint8_t type;
  const char *error, *member, *sender, *signature; /* "" where there is none */
};

enum outcome { FAILED = -1, LOST, DONE, REFUSED };

static uint32_t word(const struct message_view *m, const char *at) {
  uint32_t n;
  memcpy(&n, at, sizeof n);
  return m->swapped ? __builtin_bswap32(n) : n;
}

static uint32_t aligned(uint32_t at, uint32_t boundary) { return (at + boundary - 1) & ~(boundary - 1); }

/* A string of `s` or `o` at *at in data of `size` bytes, with an end of its own. NULL: malformed. */
static const char *string_at(const struct message_view *m, const char *data, uint32_t size, uint32_t *at) {
  uint32_t pos = aligned(*at, 4);
  if (pos > size || size - pos < 5) return NULL;
  uint32_t len = word(m, data + pos);
  pos += 4;
  if (len >= size - pos || data[pos + len] != 0 || strlen(data + pos) != len) return NULL;
  *at = pos + len + 1;
  return data + pos;
}

/* Steps over a basic value of a header field that is not ours. False: malformed. */
static bool skip_value(const struct message_view *m, char type, uint32_t size, uint32_t *at) {
  uint32_t width = 0;
  switch (type) {
    case 'y': width = 1; break;
    case 'n': case 'q': width = 2; break;
    case 'b': case 'i': case 'u': case 'h': width = 4; break;
    case 'x': case 't': case 'd': width = 8; break;
    case 's': case 'o': return string_at(m, m->at, size, at) != NULL;
    case 'g': {
      if (*at >= size) return false;
      uint32_t len = (uint8_t)m->at[*at];
      *at += len + 2;
      return *at <= size;
    }
    default: return false;
  }
  *at = aligned(*at, width) + width;
  return *at <= size;
}

static bool read_field(struct message_view *m, uint32_t end, uint32_t *at) {
  if (end - *at < 4) return false;
  uint8_t code = (uint8_t)m->at[*at];
  char type = m->at[*at + 2];
  if (m->at[*at + 1] != 1 || m->at[*at + 3] != 0) return false; /* no field has a compound type */
  *at += 4;
  uint32_t value = *at;
  if (!skip_value(m, type, end, at)) return false;
  if (type == 's') {
    const char *text = m->at + aligned(value, 4) + 4;
    if (code == FIELD_MEMBER) m->member = text;
    else if (code == FIELD_ERROR) m->error = text;
    else if (code == FIELD_SENDER) m->sender = text;
  } else if (type == 'u' && code == FIELD_REPLY) m->reply_to = word(m, m->at + aligned(value, 4));
  else if (type == 'g' && code == FIELD_SIGNATURE) m->signature = m->at[*at - 1] == 0 ? m->at + value + 1 : "";
  return true;
}

/* 1: a whole message; 0: more has to come; -1: malformed, or larger than `most`. */
static int read_message(const char *at, uint32_t have, uint32_t most, struct message_view *m) {
  if (have < HEADER) return 0;
  *m = (struct message_view){ .at = at, .type = (uint8_t)at[1], .error = "", .member = "", .sender = "", .signature = "" };
  if ((at[0] != 'l' && at[0] != 'B') || m->type == 0 || at[3] != 1) return -1;
  m->swapped = (at[0] == 'B') == (BYTE_ORDER == LITTLE_ENDIAN);
  m->body_len = word(m, at + 4);
  uint32_t fields = word(m, at + 12);
  if (fields > most || m->body_len > most) return -1;
  uint32_t end = HEADER + fields, body = aligned(end, 8);
  m->size = body + m->body_len;
  if (m->size > most) return -1;
  if (have < m->size) return 0;
  m->body = at + body;
  for (uint32_t pos = HEADER; (pos = aligned(pos, 8)) < end;)
    if (!read_field(m, end, &pos)) return -1;
  return 1;
}

static void hang_up(struct bus *b) {
  if (b->fd >= 0) close(b->fd);
  b->fd = -1;
}

static const char *shown; /* the address in use, for failures */

/* `path`, or `@name` for an abstract socket. */
static int connect_to(const char *path) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  size_t len = strlen(path);
  int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (sock < 0) return -1;
  /* Where its queue is full connect(2) waits, for as long as sending may take. */
  struct timeval most = { .tv_sec = CONNECT_SECONDS };
  setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
  int through = -1;
  socklen_t size = sizeof address;
  if (path[0] == '@') {
    if (len <= sizeof address.sun_path) memcpy(address.sun_path + 1, path + 1, len - 1);
    size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (len > sizeof address.sun_path) return close(sock), errno = ENAMETOOLONG, -1;
  } else if (len < sizeof address.sun_path) memcpy(address.sun_path, path, len + 1);
  else { /* longer than a socket address holds */
    through = open(path, O_PATH | O_CLOEXEC);
    memcpy(address.sun_path, "/proc/self/fd/", 14);
    if (through >= 0) put_number(address.sun_path + 14, (uint64_t)through);
  }
  int rc;
  do rc = connect(sock, (struct sockaddr *)&address, size);
  while (rc < 0 && errno == EINTR);
  int error = errno;
  if (through >= 0) close(through);
  if (rc == 0) return sock;
  close(sock);
  return errno = error, -1;
}

/* Adds ` path=errno` to what was tried. */
static void note_try(char *tried, size_t size, const char *path) {
  char number[24];
  int error = errno;
  put_number(number, (uint64_t)error);
  size_t have = strlen(tried), need = strlen(path) + strlen(number) + 3;
  if (have + need > size) return;
  char *at = tried + have;
  if (have) *at++ = '\n';
  memcpy(at, path, strlen(path));
  at += strlen(path);
  *at++ = '=';
  memcpy(at, number, strlen(number) + 1);
  errno = error;
}

/* Messages get their serial numbers, and the first one the pid where it is wanted. False: they are no messages. */
static bool put_messages(struct bus *b, struct pstr messages, int64_t pid_at) {
  const char *from = str(messages);
  for (uint32_t at = 0; at < messages.len;) {
    struct message_view m;
    if (read_message(from + at, messages.len - at, OWN_MAX, &m) <= 0 || m.size > b->out_size - b->out_len) return false;
    char *to = b->out + b->out_len;
    memcpy(to, m.at, m.size);
    uint32_t serial = ++b->serial, pid = (uint32_t)ctx.pid;
    memcpy(to + 8, &serial, sizeof serial);
    if (pid_at >= 0 && (uint64_t)pid_at + sizeof pid <= m.size) memcpy(to + pid_at, &pid, sizeof pid);
    b->out_len += m.size;
    at += m.size;
  }
  return true;
}

/*
 * EXTERNAL without an identity: the other side takes the one that the kernel tells, which is right in every user
 * namespace. Nothing is waited for: the lines, the greeting and the call go out together.
 */
static const char authentication[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";

/* The first that answers, of managers that are reached directly, then of message buses, which want to be greeted. */
static int open_bus(struct bus *b, const struct op_bus_call *op) {
  char tried[DETAIL_SIZE] = "";
  for (uint32_t i = 0; i < op->peers.count + op->buses.count; i++) {
    bool peer = i < op->peers.count;
    const char *path = str(peer ? vec(op->peers)[i] : vec(op->buses)[i - op->peers.count]);
    b->fd = connect_to(path);
    if (b->fd < 0) {
      note_try(tried, sizeof tried, path);
      continue;
    }
    shown = path;
    b->direct = peer;
    b->trusted = b->talking = false;
    b->have = b->used = b->serial = b->out_len = 0;
    memcpy(b->out, authentication, sizeof authentication - 1);
    b->out_len = sizeof authentication - 1;
    if (!peer && !put_messages(b, op->greeting, -1)) return fail_errno(STEP_BUS_CALL_SEND, EINVAL, path);
    b->greetings = b->serial;
    return 0;
  }
  return fail(STEP_BUS_CALL_CONNECT, tried);
}


/* More of what the other side sends; LOST at its end. */
static enum outcome fill(struct bus *b, uint64_t until) {
  if (b->used) memmove(b->in, b->in + b->used, b->have - b->used);
  b->have -= b->used;
  b->used = 0;
  for (;;) {
    /* Also while the other side sends and sends, but not what is waited for. */
    uint64_t now = now_ns();
    struct pollfd p = { .fd = b->fd, .events = POLLIN };
    int rc = now >= until ? 0 : poll(&p, 1, (int)((until - now + 999999u) / 1000000u));
    if (rc < 0 && errno == EINTR) continue;
    if (rc == 0) return fail_errno(STEP_BUS_CALL_TIMEOUT, ETIMEDOUT, shown), FAILED;
    ssize_t n = rc < 0 ? -1 : read(b->fd, b->in + b->have, MESSAGE_MAX - b->have);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 || (n < 0 && errno == ECONNRESET)) return LOST;
    if (n < 0) return fail(STEP_BUS_CALL_RECEIVE, shown), FAILED;
    b->have += (uint32_t)n;
    return DONE;
  }
}

static bool begins(const char *line, const char *word) { return !strncmp(line, word, strlen(word)); }

/* A line of the authentication: 1 it was read, 0 it is not whole, -1 noted. */
static int read_line(struct bus *b) {
  char *line = b->in + b->used, *end = memchr(line, '\n', b->have - b->used);
  if (!end && b->have - b->used < LINE_LIMIT) return 0;
  if (!end || end == line || end[-1] != '\r') return fail_errno(STEP_BUS_CALL_MALFORMED, EBADMSG, shown);
  end[-1] = 0;
  b->used += (uint32_t)(end + 1 - line);
  if (begins(line, "OK ")) b->trusted = true;
  else if (strcmp(line, "DATA") && !begins(line, "DATA ")) return fail_errno(STEP_BUS_CALL_AUTH, EACCES, line);
  return 1;
}

/* What cannot be sent because the other side has closed is told by reading what it said before. */
static enum outcome put(struct bus *b, size_t at, size_t end) {
  while (at < end) {
    ssize_t n = send(b->fd, b->out + at, end - at, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) break;
    if (n < 0) return fail(STEP_BUS_CALL_SEND, shown), FAILED;
    at += (size_t)n;
  }
  return DONE;
}

/*
 * A manager reads the first 256 bytes at once, and looks at a message that came whole with them only when more comes
 * (bus_socket_read_auth() of sd-bus). So what is as short as that waits until we are accepted.
 */
#define SWALLOWED 256u

/* Sends what is ready, in one write where that can be. */
static enum outcome flush(struct bus *b, uint64_t until) {
  size_t at = 0, end = b->out_len;
  enum outcome got = DONE;
  b->out_len = 0;
  if (b->direct && !b->trusted && end <= SWALLOWED) {
    at = sizeof authentication - 1;
    got = put(b, 0, at);
    for (int rc = 0; got == DONE && !b->trusted && (rc = read_line(b)) <= 0;) got = rc < 0 ? FAILED : fill(b, until);
  }
  return got == DONE ? put(b, at, end) : got;
}

/* The next message. Its view is good until the next call. */
static enum outcome next_message(struct bus *b, uint64_t until, struct message_view *m) {
  for (;;) {
    char first = b->used < b->have ? b->in[b->used] : 0;
    int rc = 0;
    if (!b->talking && first >= 'A' && first <= 'Z' && first != 'B') {
      rc = read_line(b);
      if (rc > 0) continue;
    } else if (b->used < b->have) {
      rc = b->trusted ? read_message(b->in + b->used, b->have - b->used, MESSAGE_MAX, m) : -1;
      if (rc < 0) fail_errno(STEP_BUS_CALL_MALFORMED, EBADMSG, shown);
      if (rc > 0) {
        b->talking = true;
        b->used += m->size;
        return DONE;
      }
    }
    if (rc < 0) return FAILED;
    enum outcome got = fill(b, until);
    if (got != DONE) return got;
  }
}

/* `NAME text` of an error. */
static void note_error(const struct message_view *m, char *out, size_t size) {
  const char *name = m->error, *text = NULL;
  uint32_t at = 0;
  if (m->signature[0] == 's') text = string_at(m, m->body, m->body_len, &at);
  size_t n = strnlen(name, size - 2), left;
  memcpy(out, name, n);
  out[n++] = ' ';
  left = text ? strnlen(text, size - 1 - n) : 0;
  if (left) memcpy(out + n, text, left);
  out[n + left] = 0;
}

#define NAME_SIZE 256 /* of names on a message bus, with their end */

struct job {
  const char *unit;
  char path[NAME_SIZE], sender[NAME_SIZE];            /* of the job that is waited for, and who told it */
  char ended[NAME_SIZE], teller[NAME_SIZE], end[32];  /* the last job of the unit that ended, who says so, and how */
};

/* Everybody on a message bus may send us such a signal, but nobody in the name of another. */
static bool job_ended(const struct job *job) {
  return job->path[0] && !strcmp(job->ended, job->path) && !strcmp(job->teller, job->sender);
}

static void keep(char *to, size_t size, const char *from) {
  size_t n = strnlen(from, size - 1);
  memcpy(to, from, n);
  to[n] = 0;
}

/* The end of a job: JobRemoved(u id, o job, s unit, s result). */
static void hear_signal(const struct message_view *m, struct job *job) {
  if (m->type != SIGNAL || !job->unit || job_ended(job)) return;
  if (strcmp(m->member, "JobRemoved") || strcmp(m->signature, "uoss") || m->body_len < 4) return;
  uint32_t at = 4;
  const char *path = string_at(m, m->body, m->body_len, &at);
  const char *unit = path ? string_at(m, m->body, m->body_len, &at) : NULL;
  const char *end = unit ? string_at(m, m->body, m->body_len, &at) : NULL;
  if (!end || strcmp(unit, job->unit)) return;
  keep(job->ended, sizeof job->ended, path);
  keep(job->teller, sizeof job->teller, m->sender);
  keep(job->end, sizeof job->end, end);
}

/* The answer to `serial`. REFUSED: with an error, which is in `error`. */
static enum outcome await_answer(struct bus *b, uint32_t serial, uint64_t until, struct job *job, char error[DETAIL_SIZE]) {
  struct message_view m;
  for (;;) {
    enum outcome got = next_message(b, until, &m);
    if (got != DONE) return got;
    hear_signal(&m, job);
    bool answer = m.type == METHOD_RETURN || m.type == METHOD_ERROR;
    if (!answer || m.reply_to == 0) continue;
    if (m.type == METHOD_ERROR && (m.reply_to <= b->greetings || m.reply_to == serial)) {
      note_error(&m, error, DETAIL_SIZE);
      if (m.reply_to <= b->greetings) hang_up(b); /* a later attempt has to begin with the greeting */
      return REFUSED;
    }
    if (m.reply_to != serial) continue;
    if (!job->unit) return DONE;
    uint32_t at = 0;
    const char *path = m.signature[0] == 'o' ? string_at(&m, m.body, m.body_len, &at) : NULL;
    if (!path || strlen(path) >= sizeof job->path) return fail_errno(STEP_BUS_CALL_MALFORMED, EBADMSG, shown), FAILED;
    keep(job->path, sizeof job->path, path);
    keep(job->sender, sizeof job->sender, m.sender);
    return DONE;
  }
}

static enum outcome await_job(struct bus *b, uint64_t until, struct job *job) {
  struct message_view m;
  while (!job_ended(job)) {
    enum outcome got = next_message(b, until, &m);
    if (got == FAILED && ctx.failure.step == STEP_BUS_CALL_TIMEOUT) fail_errno(STEP_BUS_CALL_JOB, ETIMEDOUT, "");
    if (got != DONE) return got;
    hear_signal(&m, job);
  }
  if (!strcmp(job->end, "done")) return DONE;
  return fail_errno(STEP_BUS_CALL_JOB, 0, job->end), FAILED;
}

/* Whether an error, `NAME text`, has one of these names. */
static bool named(struct pvec names, const char *error) {
  size_t len = strcspn(error, " ");
  for (uint32_t i = 0; i < names.count; i++) {
    struct pstr name = vec(names)[i];
    if (name.len == len && !memcmp(str(name), error, len)) return true;
  }
  return false;
}

static void pause_ms(unsigned ms) {
  struct timespec t = { .tv_nsec = ms * 1000000l };
  nanosleep(&t, NULL);
}

/* The n-th of messages that stand one after the other; len 0 where there is none. */
static struct pstr nth(struct pstr messages, unsigned n) {
  struct message_view m;
  while (messages.len && read_message(str(messages), messages.len, OWN_MAX, &m) > 0) {
    if (n-- == 0) return (struct pstr){ messages.off, m.size };
    messages.off += m.size;
    messages.len -= m.size;
  }
  return (struct pstr){ 0, 0 };
}

static uint64_t after_ms(uint64_t ms) { return now_ns() + ms * 1000000u; }

/* What comes after the job, where there is still something to do; what it answers does not matter. */
static void follow_up(struct bus *b, const struct op_bus_call *op) {
  char error[DETAIL_SIZE];
  struct job none = { 0 };
  if (op->after.len == 0 || (op->file.off && access(str(op->file), F_OK) < 0)) return;
  if (b->fd < 0 && open_bus(b, op) < 0) return;
  uint64_t until = after_ms(op->timeout_ms);
  if (put_messages(b, op->after, -1) && flush(b, until) == DONE) await_answer(b, b->serial, until, &none, error);
}

/* One attempt: what is to be sent goes out in one write. */
static enum outcome attempt(struct bus *b, const struct op_bus_call *op, unsigned variant, bool again, struct job *job, char *error) {
  if (b->fd < 0 && open_bus(b, op) < 0) return FAILED;
  *job = (struct job){ .unit = str(op->job) };
  struct pstr call = nth(op->call, variant), ahead = again ? op->before : op->ahead;
  if (!put_messages(b, ahead, -1) || !call.len || !put_messages(b, call, op->pid_at))
    return fail_errno(STEP_BUS_CALL_SEND, EINVAL, shown), FAILED;
  uint32_t serial = b->serial;
  uint64_t until = after_ms(op->timeout_ms);
  enum outcome got = flush(b, until);
  if (got == DONE) got = await_answer(b, serial, until, job, error);
  return got == DONE && job->unit ? await_job(b, after_ms(op->timeout_ms), job) : got;
}

static int call_until_done(struct bus *b, const struct op_bus_call *op) {
  char error[DETAIL_SIZE];
  struct job job;
  uint64_t patience = after_ms(op->retry_ms);
  unsigned variant = 0, lost = 0, wait = 5;
  for (bool again = false;;) {
    enum outcome got = attempt(b, op, variant, again, &job, error);
    if (got == REFUSED && named(op->unheard, error)) got = LOST;
    if (got == DONE) return 0;
    if (got == FAILED) {
      /* Who closed the connection may be on the way back. */
      if (!lost || ctx.failure.step != STEP_BUS_CALL_CONNECT || now_ns() > patience) return -1;
    } else if (got == LOST) {
      hang_up(b);
      if (++lost == LOST_MAX) return fail_errno(STEP_BUS_CALL_RECEIVE, ECONNRESET, shown);
    } else if (named(op->ignore, error) || (lost && named(op->settled, error))) return 0;
    else if (named(op->otherwise, error) && nth(op->call, variant + 1).len) {
      variant++;
      continue;
    } else if (!named(op->retry, error) || now_ns() > patience) return fail_errno(STEP_BUS_CALL_CALL, 0, error);
    else again = true;
    pause_ms(wait);
    if (wait < 100) wait *= 2;
  }
}

int do_bus_call(const struct op_bus_call *op) {
  if (op->file.off && access(str(op->file), F_OK) < 0 && errno == ENOENT) return 0;
  size_t most = sizeof authentication + (size_t)op->greeting.len + op->ahead.len + op->before.len + op->call.len + op->after.len;
  struct bus b = { .fd = -1, .in = allocate(MESSAGE_MAX), .out = allocate(most), .out_size = most };
  int rc = call_until_done(&b, op);
  struct report failure = ctx.failure;
  if (rc == 0 || (failure.step == STEP_BUS_CALL_JOB && failure.error == 0)) follow_up(&b, op);
  ctx.failure = failure;
  hang_up(&b);
  munmap(b.in, MESSAGE_MAX);
  munmap(b.out, most);
  if (rc == 0 || !op->warn) return rc;
  warn_or_report(REPORT_WARNING, &ctx.failure);
  return 0;
}

/* Whether the container's first process is where it is looked for from now on. */
int do_in_cgroup(const struct op_in_cgroup *op) {
  char path[40] = "/proc/", text[8192];
  int n = 6 + put_number(path + 6, (uint64_t)ctx.pid);
  memcpy(path + n, "/cgroup", 8);
  if (read_file(AT_FDCWD, path, text, sizeof text) < 0) return fail(STEP_IN_CGROUP_READ, path);
  const char *wanted = str(op->line);
  size_t len = op->line.len;
  for (char *line = text, *next; *line; line = next) {
    size_t have = strcspn(line, "\n");
    next = line + have + (line[have] == '\n');
    if (have >= len && !memcmp(line + have - len, wanted, len)) return 0;
  }
  return fail_errno(STEP_IN_CGROUP_ELSEWHERE, 0, text);
}
