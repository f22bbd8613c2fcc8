/* Mounts in the container's root. */
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "init.h"
#include "mount_api.h"

/* Bits of `flags` of mount and bind; MOUNT_FLAGS in src/program/ops.ts. */
enum {
  MF_NOFOLLOW = 1, MF_ALLOW_PROC = 2, MF_COPY_UP = 4, MF_CLASSIC = 8, MF_SOURCE_NOFOLLOW = 16, MF_INHERIT_MODE = 32,
  MF_RECEIVED = 64, MF_PEERS = 128, MF_PLAIN = 256, MF_COPY_SYMLINK = 512, MF_ROOT = 1024,
};

static enum links links_of(uint64_t flags) {
  return flags & MF_PLAIN ? LINKS_NONE : flags & MF_NOFOLLOW ? LINKS_BUT_LAST : LINKS_ALL;
}

/* Nothing but what the compiler allowed may hide a part of procfs, however the path was spelled. */
static int check_procfs(int target, uint64_t flags) {
  struct statfs fs;
  if ((flags & MF_ALLOW_PROC) || fstatfs(target, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) return 0;
  return errno = EPERM, -1;
}

/* What the file system says of an option it refuses is read from the context ("e tmpfs: Bad value for 'size'"). */
static int fail_fs(uint32_t step, int fs, const char *fallback) {
  char log[256];
  int error = errno;
  ssize_t n = read(fs, log, sizeof log - 1);
  if (n > 0) log[n] = 0;
  if (n > 0 && log[n - 1] == '\n') log[n - 1] = 0;
  return fail_errno(step, error, n > 2 ? log + 2 : fallback);
}

static void put_octal(char *out, mode_t mode) {
  for (int i = 0; i < 4; i++) out[i] = (char)('0' + (mode >> (9 - 3 * i) & 7));
  out[4] = 0;
}

static int set_option(int fs, const char *option) {
  const char *equals = strchr(option, '=');
  if (!equals) return fs_config(fs, SET_FLAG, option, NULL);
  char key[256];
  size_t len = (size_t)(equals - option);
  if (len >= sizeof key) return errno = EINVAL, -1;
  memcpy(key, option, len);
  key[len] = 0;
  return fs_config(fs, SET_STRING, key, equals + 1);
}

/* A detached mount of a new instance; -1 after fail(). */
static int new_instance(const struct op_mount *op, const mode_t *mode) {
  int fs = op->pidns >= 0 ? open_procfs(slot_fd(op->pidns)) : (int)syscall(SYS_fsopen, str(op->type), FSOPEN_CLOEXEC);
  if (fs < 0) return fail(STEP_MOUNT_FSOPEN, str(op->type));
  if (op->source.len && fs_config(fs, SET_STRING, "source", str(op->source)) < 0)
    return fail_fs(STEP_MOUNT_OPTION, fs, "source");
  for (uint32_t i = 0; i < op->params.count; i++)
    if (set_option(fs, str(vec(op->params)[i])) < 0) return fail_fs(STEP_MOUNT_OPTION, fs, str(vec(op->params)[i]));
  char octal[5];
  if (mode) put_octal(octal, *mode);
  if (mode && fs_config(fs, SET_STRING, "mode", octal) < 0) return fail_fs(STEP_MOUNT_OPTION, fs, "mode");
  if (fs_config(fs, CMD_CREATE, NULL, NULL) < 0) return fail_fs(STEP_MOUNT_CREATE, fs, str(op->type));
  uint64_t attr = op->attr;
  int tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attr);
  if (tree < 0 && errno == EINVAL && (attr & MOUNT_ATTR_NOSYMFOLLOW)) /* 5.14 */
    tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attr & ~(uint64_t)MOUNT_ATTR_NOSYMFOLLOW);
  if (tree < 0) return fail_fs(STEP_MOUNT_FSMOUNT, fs, str(op->type));
  close(fs);
  return tree;
}

static int classic_mount(const struct op_mount *op, int target, const mode_t *mode) {
  char path[40], all[4096] = "mode=";
  const char *data = op->params.count ? str(vec(op->params)[0]) : NULL;
  if (mode) {
    size_t len = data ? strlen(data) : 0;
    if (len > sizeof all - 12) return errno = E2BIG, -1;
    put_octal(all + 5, *mode);
    if (data) all[9] = ',';
    if (data) memcpy(all + 10, data, len + 1);
    data = all;
  }
  struct peers peers;
  if (leave_peers(target, &peers) < 0) return -1;
  int rc = mount(str(op->source), fd_path(path, target), str(op->type), op->attr, data);
  return rejoin_peers(&peers, rc);
}

/* Whether the target is the root; -1 where a link of the image leads there. */
static int covers_root(int target, uint64_t flags) {
  if (!is_root(target)) return 0;
  return flags & MF_ROOT ? 1 : (errno = EBUSY, -1);
}

/* The topmost mount on a directory of the host's namespace, while its root is ours. */
static int open_top(int dir) {
  char name[40], path[4096];
  ssize_t n = readlink(fd_path(name, dir), path, sizeof path - 1);
  if (n < 0) return -1;
  path[n] = 0;
  return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* What is mounted on the root is the root from then on: what was mounted in the old one is no longer seen. */
static int change_root(int tree) {
  close(ctx.root);
  ctx.root = tree;
  return fchdir(tree);
}

/* The mode of the directory that was there before; of one made for the mount there is nothing to inherit. */
static int inherited_mode(const char *dest, mode_t *mode) {
  struct stat st;
  int fd = open_in_root(dest, O_PATH, 0), rc = fd < 0 ? -1 : fstat(fd, &st);
  if (fd >= 0) close(fd);
  if (rc == 0) *mode = st.st_mode & 07777;
  return rc;
}

int do_mount(const struct op_mount *op) {
  const char *dest = str(op->dest);
  mode_t mode = 0;
  bool inherit = (op->flags & MF_INHERIT_MODE) && inherited_mode(dest, &mode) == 0;
  int target = make_target(dest, WANT_DIRECTORY, 0755, links_of(op->flags));
  if (target < 0) return fail(STEP_MOUNT_TARGET, dest);
  if (check_procfs(target, op->flags) < 0) return fail(STEP_MOUNT_PROCFS, dest);
  bool classic = op->flags & MF_CLASSIC;
  int covers = covers_root(target, op->flags);
  if (covers < 0) return fail(STEP_MOUNT_TARGET, dest);
  if (classic && classic_mount(op, target, inherit ? &mode : NULL) < 0) return fail(STEP_MOUNT_CREATE, dest);
  int tree = !classic ? new_instance(op, inherit ? &mode : NULL) : covers ? open_top(target) : open_in_root(dest, O_PATH, 0);
  if (tree < 0) return classic ? fail(STEP_MOUNT_TARGET, dest) : -1;
  if ((op->flags & MF_COPY_UP) && copy_up(target, tree) < 0) return fail(STEP_MOUNT_COPY, dest);
  if (!classic && move_mount_(tree, target) < 0) return fail(STEP_MOUNT_MOVE, dest);
  if (!classic && (op->attr & MOUNT_ATTR_NOSYMFOLLOW) && set_attributes(tree, MOUNT_ATTR_NOSYMFOLLOW, 0, 0, false) < 0)
    return fail(STEP_MOUNT_ATTRIBUTES, dest);
  /* Nothing is below a new instance: no recursion, which would need Linux 5.12. */
  if (set_attributes(tree, op->recursive_set, op->recursive_clear, 0, false) < 0) return fail(STEP_MOUNT_ATTRIBUTES, dest);
  if (set_attributes(tree, 0, 0, op->propagation, op->propagation & MS_REC) < 0) return fail(STEP_MOUNT_PROPAGATION, dest);
  close(target);
  return covers ? change_root(tree) : close(tree);
}

static int open_source(const struct op_bind *op) {
  if (op->flags & MF_RECEIVED) { /* the launcher has the rights that root of a user namespace may lack */
    struct message m;
    int fd = -1;
    if (receive_message(ctx.sync, &m, &fd) <= 0) _exit(1);
    return fd;
  }
  int nofollow = op->flags & (MF_SOURCE_NOFOLLOW | MF_COPY_SYMLINK) ? AT_SYMLINK_NOFOLLOW : 0;
  return open_tree_(AT_FDCWD, str(op->source), (unsigned)(nofollow | OPEN_TREE_CLONE | (op->recursive ? AT_RECURSIVE : 0)));
}

/* What nobody asked to be cleared stays where the kernel has locked it: on mounts that came into a user namespace. */
static int bind_attributes(const struct op_bind *op, int tree) {
  if (set_attributes(tree, op->set, op->clear, 0, false) == 0) return 0;
  struct statfs fs;
  if (errno != EPERM || fstatfs(tree, &fs) < 0) return -1;
  uint64_t locked = (uint64_t)fs.f_flags & op->implied; /* ST_RDONLY and its like have the values of MOUNT_ATTR_* */
  if (!locked) return errno = EPERM, -1;
  return set_attributes(tree, op->set, op->clear & ~locked, 0, false);
}

/* A link like the one that `tree` is, which may be there already. */
static int copy_symlink(const struct op_bind *op, int tree) {
  char target[4096], found[sizeof target];
  const char *name;
  ssize_t len = readlinkat(tree, "", target, sizeof target - 1);
  int parent = len < 0 ? -1 : open_parent(str(op->dest), &name);
  if (parent < 0) return fail(STEP_BIND_LINK, str(op->dest));
  target[len] = 0;
  int rc = symlinkat(target, parent, name), error = errno;
  if (rc < 0 && error == EEXIST && readlinkat(parent, name, found, sizeof found) == len && !memcmp(target, found, (size_t)len)) rc = 0;
  close(parent);
  close(tree);
  return rc < 0 ? fail_errno(STEP_BIND_LINK, error, str(op->dest)) : 0;
}

int do_bind(const struct op_bind *op) {
  const char *dest = str(op->dest);
  int tree = open_source(op);
  struct stat st;
  struct statfs fs;
  if (tree < 0 || fstat(tree, &st) < 0 || fstatfs(tree, &fs) < 0) return fail(STEP_BIND_SOURCE, str(op->source));
  if ((op->flags & MF_COPY_SYMLINK) && S_ISLNK(st.st_mode)) return copy_symlink(op, tree);
  int target = make_target(dest, S_ISDIR(st.st_mode) ? WANT_DIRECTORY : WANT_FILE, 0755, links_of(op->flags));
  if (target < 0) return fail(STEP_BIND_TARGET, dest);
  if (fs.f_type != PROC_SUPER_MAGIC && check_procfs(target, op->flags) < 0) return fail(STEP_BIND_PROCFS, dest);
  int covers = covers_root(target, op->flags);
  if (covers < 0) return fail(STEP_BIND_TARGET, dest);
  /* Before the move where the kernel can (5.12): it is never seen with more rights than it is to have. */
  int early = bind_attributes(op, tree);
  if (early < 0 && errno != ENOSYS && errno != EINVAL) return fail(STEP_BIND_ATTRIBUTES, dest);
  if (move_mount_(tree, target) < 0) return fail(STEP_BIND_MOVE, dest);
  if (early < 0 && bind_attributes(op, tree) < 0) return fail(STEP_BIND_ATTRIBUTES, dest);
  if (set_attributes(tree, op->recursive_set, op->recursive_clear, 0, op->recursive) < 0) return fail(STEP_BIND_ATTRIBUTES, dest);
  if (set_attributes(tree, 0, 0, op->propagation, op->propagation & MS_REC) < 0) return fail(STEP_BIND_PROPAGATION, dest);
  if (op->flags & MF_PEERS) ctx.peers = true;
  close(target);
  return covers ? change_root(tree) : close(tree);
}

int do_remount(const struct op_remount *op) {
  int target = open_in_root(str(op->dest), O_PATH, 0);
  if (target < 0) return fail(STEP_REMOUNT_TARGET, str(op->dest));
  uint64_t set = op->set;
  if (op->data.off) { /* gives the mount itself the attributes of the call: so far as can be, those that it has */
    char path[40];
    unsigned long flags = classic_flags(target, op->set, op->clear);
    if (flags & MS_RDONLY) set |= MOUNT_ATTR_RDONLY;
    if (mount(NULL, fd_path(path, target), NULL, MS_REMOUNT | (flags & ~(unsigned long)MS_RDONLY), str(op->data)) < 0)
      return fail(STEP_REMOUNT_ATTRIBUTES, str(op->dest));
  }
  if (set_attributes(target, set, op->clear, 0, false) < 0 ||
      set_attributes(target, op->recursive_set, op->recursive_clear, 0, true) < 0)
    return fail(STEP_REMOUNT_ATTRIBUTES, str(op->dest));
  if (set_attributes(target, 0, 0, op->propagation, op->propagation & MS_REC) < 0)
    return fail(STEP_REMOUNT_PROPAGATION, str(op->dest));
  close(target);
  return 0;
}
