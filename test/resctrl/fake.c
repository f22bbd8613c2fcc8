/*
 * A file system that behaves as resctrl does, for machines whose CPU has nothing to control: groups with `tasks`,
 * `schemata` and `mon_groups` come with mkdir(2), a process is in one group of each kind, and schemata are taken as a
 * whole or not at all. Speaks the protocol of /dev/fuse. Each change is a line on stdout.
 *
 *     fake DIRECTORY GROUPS    at most GROUPS groups of each kind, beside the root
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { DIRECTORY, GROUP, MONITOR, MON_GROUPS, TASKS, SCHEMATA, TEXT };

struct node {
  int used, parent;
  enum kind kind;
  char name[300], text[2048];
  int pids[64], count;
};

static struct node nodes[256];
static int fuse, limit, status_node;

static int add(int parent, enum kind kind, const char *name, const char *text) {
  int i = 1;
  while (nodes[i].used) i++;
  memset(&nodes[i], 0, sizeof nodes[i]);
  nodes[i].used = 1;
  nodes[i].parent = parent;
  nodes[i].kind = kind;
  snprintf(nodes[i].name, sizeof nodes[i].name, "%s", name);
  snprintf(nodes[i].text, sizeof nodes[i].text, "%s", text);
  return i;
}

static int find(int parent, const char *name) {
  for (int i = 2; i < 256; i++)
    if (nodes[i].used && nodes[i].parent == parent && !strcmp(nodes[i].name, name)) return i;
  return 0;
}

static void add_group(int group) {
  add(group, TASKS, "tasks", "");
  if (nodes[group].kind == MONITOR) return;
  add(group, SCHEMATA, "schemata", "    MB:0=100;1=100\n    L3:0=fff;1=fff\n");
  add(group, MON_GROUPS, "mon_groups", "");
}

static const char *path_of(int node) {
  static char path[1024];
  char *start = path + sizeof path - 1;
  for (int at = node; at > 1; at = nodes[at].parent) {
    size_t len = strlen(nodes[at].name);
    start -= len + 1;
    *start = '/';
    memcpy(start + 1, nodes[at].name, len);
  }
  return start;
}

static int refuse(int error, const char *why) {
  snprintf(nodes[status_node].text, sizeof nodes[0].text, "%s\n", why);
  return -error;
}

static void leave(int group, int pid) {
  for (int i = 0; i < nodes[group].count; i++)
    if (nodes[group].pids[i] == pid) nodes[group].pids[i--] = nodes[group].pids[--nodes[group].count];
}

static int has(int group, int pid) {
  for (int i = 0; i < nodes[group].count; i++)
    if (nodes[group].pids[i] == pid) return 1;
  return 0;
}

static int join(int group, int pid) {
  struct node *g = &nodes[group];
  if (g->kind == MONITOR && !has(nodes[g->parent].parent, pid)) return refuse(EINVAL, "Can't move task to different control group");
  for (int i = 1; i < 256; i++)
    if (nodes[i].used && nodes[i].kind != TASKS && (nodes[i].kind == MONITOR || g->kind == GROUP)) leave(i, pid);
  if (g->count < 64) g->pids[g->count++] = pid;
  return 0;
}

/* "RES:domain=value;…": those named get the value, the others keep theirs. */
static int apply(char *text, const char *line) {
  char out[2048] = "", copy[2048];
  snprintf(copy, sizeof copy, "%s", text);
  int taken = 0;
  size_t name = strcspn(line, ":");
  for (char *old = strtok(copy, "\n"); old; old = strtok(NULL, "\n")) {
    char *resource = old + strspn(old, " ");
    if (strncmp(resource, line, name + 1)) {
      snprintf(out + strlen(out), sizeof out - strlen(out), "%s\n", old);
      continue;
    }
    taken = 1;
    snprintf(out + strlen(out), sizeof out - strlen(out), "    %.*s", (int)name + 1, line);
    for (int domain = 0; domain < 2; domain++) {
      char key[8], value[64] = "";
      snprintf(key, sizeof key, "%d=", domain);
      const char *from = strstr(line + name, key);
      if (!from) from = strstr(resource + name, key);
      snprintf(value, sizeof value, "%.*s", (int)strcspn(from + 2, ";\n"), from + 2);
      if (!strncmp(line, "MB:", 3)) snprintf(value, sizeof value, "%d", (atoi(value) + 9) / 10 * 10);
      snprintf(out + strlen(out), sizeof out - strlen(out), "%s%d=%s", domain ? ";" : "", domain, value);
    }
    strcat(out, "\n");
  }
  if (!taken || !strchr(line, '=')) return -1;
  memcpy(text, out, sizeof out);
  return 0;
}

static int write_node(int node, char *text, size_t len) {
  struct node *n = &nodes[node];
  if (n->kind == TASKS) return join(n->parent, atoi(text)) < 0 ? -EINVAL : (int)len;
  if (n->kind != SCHEMATA) return -EACCES;
  if (len == 0 || text[len - 1] != '\n') return refuse(EINVAL, "no line feed");
  char now[2048], *line = text;
  memcpy(now, n->text, sizeof now);
  while (*line) {
    char one[512];
    snprintf(one, sizeof one, "%.*s", (int)strcspn(line, "\n"), line + strspn(line, " "));
    if (apply(now, one) < 0) return refuse(EINVAL, "Unknown or unsupported resource name");
    line += strcspn(line, "\n") + 1;
  }
  memcpy(n->text, now, sizeof now);
  return (int)len;
}

static const char *read_node(int node) {
  static char out[2048];
  struct node *n = &nodes[node];
  if (n->kind != TASKS) return n->text;
  out[0] = 0;
  struct node *g = &nodes[n->parent];
  for (int i = 0; i < g->count; i++) {
    char proc[64];
    snprintf(proc, sizeof proc, "/proc/%d", g->pids[i]);
    if (access(proc, F_OK) == 0) snprintf(out + strlen(out), sizeof out - strlen(out), "%d\n", g->pids[i]);
  }
  return out;
}

static int make(int parent, const char *name) {
  enum kind kind = nodes[parent].kind;
  if (find(parent, name)) return -EEXIST;
  if (parent != 1 && kind != MON_GROUPS) return -EPERM;
  int groups = 0;
  for (int i = 2; i < 256; i++) groups += nodes[i].used && nodes[i].kind == (parent == 1 ? GROUP : MONITOR);
  if (groups >= limit) return refuse(ENOSPC, parent == 1 ? "Out of CLOSIDs" : "Out of RMIDs");
  int made = add(parent, parent == 1 ? GROUP : MONITOR, name, "");
  add_group(made);
  return made;
}

static void drop(int node) {
  for (int i = 2; i < 256; i++)
    if (nodes[i].used && nodes[i].parent == node) drop(i);
  nodes[node].used = 0;
}

static void attributes(int node, struct fuse_attr *a) {
  memset(a, 0, sizeof *a);
  a->ino = (unsigned)node;
  a->mode = nodes[node].kind >= TASKS ? S_IFREG | 0644 : S_IFDIR | 0755;
  a->nlink = 1;
}

static void reply(uint64_t unique, int error, const void *body, size_t len) {
  char out[8192];
  struct fuse_out_header h = { .len = (uint32_t)(sizeof h + len), .error = error, .unique = unique };
  memcpy(out, &h, sizeof h);
  if (len) memcpy(out + sizeof h, body, len);
  if (write(fuse, out, sizeof h + len) < 0 && errno != ENOENT) perror("fuse");
}

static void reply_entry(uint64_t unique, int node) {
  struct fuse_entry_out e = { .nodeid = (unsigned)node };
  if (node <= 0) {
    reply(unique, node == 0 ? -ENOENT : node, NULL, 0);
    return;
  }
  attributes(node, &e.attr);
  reply(unique, 0, &e, sizeof e);
}

static void list(uint64_t unique, int node, uint64_t offset) {
  char out[4096];
  size_t len = 0;
  for (int i = (int)offset + 2; i < 256; i++) {
    if (!nodes[i].used || nodes[i].parent != node) continue;
    struct fuse_dirent d = { .ino = (unsigned)i, .off = (unsigned)i - 1, .namelen = (uint32_t)strlen(nodes[i].name),
                             .type = nodes[i].kind >= TASKS ? 8 : 4 };
    size_t size = (sizeof d + d.namelen + 7) & ~7ul;
    if (len + size > sizeof out) break;
    memset(out + len, 0, size);
    memcpy(out + len, &d, sizeof d);
    memcpy(out + len + sizeof d, nodes[i].name, d.namelen);
    len += size;
  }
  reply(unique, 0, out, len);
}

static void serve(struct fuse_in_header *h, char *body) {
  int node = (int)h->nodeid, at;
  struct fuse_init_out init = { .major = 7, .minor = 31, .max_write = 65536 };
  struct fuse_open_out opened = { .open_flags = FOPEN_DIRECT_IO };
  struct fuse_attr_out attr = { 0 };
  struct fuse_write_out written = { 0 };
  char text[4096];
  switch (h->opcode) {
    case FUSE_INIT: reply(h->unique, 0, &init, sizeof init); return;
    case FUSE_LOOKUP: reply_entry(h->unique, find(node, body)); return;
    case FUSE_GETATTR: case FUSE_SETATTR:
      attributes(node, &attr.attr);
      reply(h->unique, nodes[node].used ? 0 : -ESTALE, &attr, nodes[node].used ? sizeof attr : 0);
      return;
    case FUSE_OPEN: case FUSE_OPENDIR: reply(h->unique, 0, &opened, sizeof opened); return;
    case FUSE_READDIR: list(h->unique, node, ((struct fuse_read_in *)body)->offset); return;
    case FUSE_READ:
      snprintf(text, sizeof text, "%s", read_node(node));
      at = (int)((struct fuse_read_in *)body)->offset;
      reply(h->unique, 0, text + at, at < (int)strlen(text) ? strlen(text + at) : 0);
      return;
    case FUSE_WRITE: {
      struct fuse_write_in *w = (struct fuse_write_in *)body;
      snprintf(text, sizeof text, "%.*s", (int)w->size, body + sizeof *w);
      for (char *c = text; *c; c++) *c = *c == '\n' ? '|' : *c;
      printf("write %s %s\n", path_of(node), text);
      snprintf(text, sizeof text, "%.*s", (int)w->size, body + sizeof *w);
      int rc = write_node(node, text, w->size);
      written.size = w->size;
      reply(h->unique, rc < 0 ? rc : 0, &written, rc < 0 ? 0 : sizeof written);
      return;
    }
    case FUSE_MKDIR:
      at = make(node, body + sizeof(struct fuse_mkdir_in));
      if (at > 0) printf("mkdir %s\n", path_of(at));
      reply_entry(h->unique, at);
      return;
    case FUSE_RMDIR:
      at = find(node, body);
      if (at && nodes[at].kind != GROUP && nodes[at].kind != MONITOR) at = -EPERM;
      if (at > 0) printf("rmdir %s\n", path_of(at)), drop(at);
      reply(h->unique, at > 0 ? 0 : at == 0 ? -ENOENT : at, NULL, 0);
      return;
    case FUSE_FORGET: case FUSE_BATCH_FORGET: case FUSE_INTERRUPT: return;
    case FUSE_RELEASE: case FUSE_RELEASEDIR: case FUSE_FLUSH: case FUSE_ACCESS: reply(h->unique, 0, NULL, 0); return;
    default: reply(h->unique, -ENOSYS, NULL, 0); return;
  }
}

int main(int argc, char **argv) {
  static char buffer[1 << 17];
  char options[128];
  if (argc != 3) return 2;
  limit = atoi(argv[2]);
  setvbuf(stdout, NULL, _IOLBF, 0);
  add(0, GROUP, "", "");
  add_group(1);
  int info = add(1, DIRECTORY, "info", "");
  status_node = add(info, TEXT, "last_cmd_status", "ok\n");
  add(add(info, DIRECTORY, "L3", ""), TEXT, "cbm_mask", "fff\n");
  add(add(info, DIRECTORY, "MB", ""), TEXT, "bandwidth_gran", "10\n");
  fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
  if (fuse < 0 || mount("resctrl", argv[1], "fuse", 0, options) < 0) return perror("mount"), 1;
  printf("ready\n");
  for (;;) {
    ssize_t n = read(fuse, buffer, sizeof buffer);
    if (n < 0 && errno == ENODEV) return 0; /* unmounted */
    if (n >= (ssize_t)sizeof(struct fuse_in_header)) serve((struct fuse_in_header *)buffer, buffer + sizeof(struct fuse_in_header));
  }
}
