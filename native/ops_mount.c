/* The container's root file system. */
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include "init.h"
#include "mount_api.h"

/* Bits of `flags` of mount and bind; MOUNT_FLAGS in src/program/ops.ts. */
enum {
  MF_NOFOLLOW = 1, MF_ALLOW_PROC = 2, MF_COPY_UP = 4, MF_CLASSIC = 8, MF_SOURCE_NOFOLLOW = 16, MF_INHERIT_MODE = 32,
  MF_RECEIVED = 64, MF_PEERS = 128, MF_PLAIN = 256, MF_COPY_SYMLINK = 512,
};

static char *fd_path(char *buf, int fd) {
  memcpy(buf, "/proc/self/fd/", 14);
  put_number(buf + 14, (uint64_t)fd);
  return buf;
}

static enum links links_of(uint64_t flags) {
  return flags & MF_PLAIN ? LINKS_NONE : flags & MF_NOFOLLOW ? LINKS_BUT_LAST : LINKS_ALL;
}

/* Nothing but what the compiler allowed may hide a part of procfs, however the path was spelled. */
static int check_procfs(int target, uint64_t flags) {
  struct statfs fs;
  if ((flags & MF_ALLOW_PROC) || fstatfs(target, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) return 0;
  return errno = EPERM, -1;
}

int do_propagation(const struct op_propagation *op) {
  return mount(NULL, str(op->path), NULL, op->flags, NULL) < 0 ? fail(STEP_PROPAGATION_MOUNT, str(op->path)) : 0;
}

static int set_propagation(int fd, uint64_t flags) {
  char path[40];
  return mount(NULL, fd_path(path, fd), NULL, flags, NULL);
}

/* The mount that `root` lies on. */
static int set_parent_propagation(const char *root, uint64_t flags) {
  size_t len = strlen(root);
  if (len >= 4096) return errno = ENAMETOOLONG, -1;
  char path[len + 1];
  memcpy(path, root, len + 1);
  for (;;) {
    if (mount(NULL, path, NULL, flags, NULL) == 0) return 0;
    if (errno != EINVAL || !strcmp(path, "/")) return -1; /* EINVAL: no mount point, so a level up */
    char *slash = strrchr(path, '/');
    if (slash == path) slash++;
    *slash = 0;
  }
}

/* What is below an unbindable mount cannot be cloned until that is a private one. */
static int clone_root(int dir, const char *path) {
  int tree = open_tree_(dir, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE);
  if (tree >= 0 || errno != EINVAL || set_parent_propagation(path, MS_PRIVATE) < 0) return tree;
  return open_tree_(dir, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE);
}

/*
 * The new root is never attached to a shared mount, for the host would see all of it, and pivot_root(2) refuses it.
 * Nor does any mount below it stay in the group of one of the host's.
 */
int do_root(const struct op_root *op) {
  const char *path = str(op->path);
  int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return fail(STEP_ROOT_OPEN, path);
  if (op->parent && set_parent_propagation(path, op->parent) < 0) return fail(STEP_ROOT_PARENT, path);
  if (!op->bind) {
    ctx.root = dir;
    return fchdir(dir) < 0 ? fail(STEP_ROOT_OPEN, path) : 0;
  }
  ctx.root = clone_root(dir, path);
  if (ctx.root < 0) return fail(STEP_ROOT_CLONE, path);
  if (move_mount_(ctx.root, dir) < 0) return fail(STEP_ROOT_MOVE, path);
  close(dir);
  if (op->propagation && set_propagation(ctx.root, op->propagation) < 0) return fail(STEP_ROOT_PROPAGATION, path);
  return fchdir(ctx.root) < 0 ? fail(STEP_ROOT_OPEN, path) : 0; /* where hooks of the container start, as with runc */
}

static int fs_config(int fs, unsigned cmd, const char *key, const char *value) {
  return (int)syscall(SYS_fsconfig, fs, cmd, key, value, 0);
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
  int fs = (int)syscall(SYS_fsopen, str(op->type), FSOPEN_CLOEXEC);
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
  if (classic && classic_mount(op, target, inherit ? &mode : NULL) < 0) return fail(STEP_MOUNT_CREATE, dest);
  int tree = classic ? open_in_root(dest, O_PATH, 0) : new_instance(op, inherit ? &mode : NULL);
  if (tree < 0) return classic ? fail(STEP_MOUNT_TARGET, dest) : -1;
  if ((op->flags & MF_COPY_UP) && copy_up(target, tree) < 0) return fail(STEP_MOUNT_COPY, dest);
  if (!classic && move_mount_(tree, target) < 0) return fail(STEP_MOUNT_MOVE, dest);
  if (!classic && (op->attr & MOUNT_ATTR_NOSYMFOLLOW) && set_attributes(tree, MOUNT_ATTR_NOSYMFOLLOW, 0, 0, false) < 0)
    return fail(STEP_MOUNT_ATTRIBUTES, dest);
  /* Nothing is below a new instance: no recursion, which would need Linux 5.12. */
  if (set_attributes(tree, op->recursive_set, op->recursive_clear, 0, false) < 0) return fail(STEP_MOUNT_ATTRIBUTES, dest);
  if (set_attributes(tree, 0, 0, op->propagation, op->propagation & MS_REC) < 0) return fail(STEP_MOUNT_PROPAGATION, dest);
  close(tree);
  close(target);
  return 0;
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
  /* Before the move where the kernel can (5.12): it is never seen with more rights than it is to have. */
  int early = bind_attributes(op, tree);
  if (early < 0 && errno != ENOSYS && errno != EINVAL) return fail(STEP_BIND_ATTRIBUTES, dest);
  if (move_mount_(tree, target) < 0) return fail(STEP_BIND_MOVE, dest);
  if (early < 0 && bind_attributes(op, tree) < 0) return fail(STEP_BIND_ATTRIBUTES, dest);
  if (set_attributes(tree, op->recursive_set, op->recursive_clear, 0, op->recursive) < 0) return fail(STEP_BIND_ATTRIBUTES, dest);
  if (set_attributes(tree, 0, 0, op->propagation, op->propagation & MS_REC) < 0) return fail(STEP_BIND_PROPAGATION, dest);
  if (op->flags & MF_PEERS) ctx.peers = true;
  close(tree);
  close(target);
  return 0;
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

int do_root_dir(const struct op_root_dir *op) {
  int fd = make_target(str(op->dest), WANT_DIRECTORY, (unsigned)op->mode, LINKS_ALL);
  if (fd < 0) return fail(STEP_ROOT_DIR_MKDIR, str(op->dest));
  close(fd);
  return 0;
}

int do_symlink(const struct op_symlink *op) {
  const char *name;
  int parent = open_parent(str(op->dest), &name);
  if (parent < 0) return fail(STEP_SYMLINK_PARENT, str(op->dest));
  if (op->replace && unlinkat(parent, name, 0) < 0 && errno != ENOENT) return fail(STEP_SYMLINK_UNLINK, str(op->dest));
  if (symlinkat(str(op->target), parent, name) < 0 && errno != EEXIST) return fail(STEP_SYMLINK_SYMLINK, str(op->dest));
  close(parent);
  return 0;
}

/* In a user namespace the kernel makes no devices: the host's is bound there. */
static int bind_device(const struct op_device *op) {
  int tree = open_tree_(AT_FDCWD, str(op->bind), OPEN_TREE_CLONE);
  struct stat st;
  if (tree < 0 || fstat(tree, &st) < 0) return fail(STEP_DEVICE_SOURCE, str(op->bind));
  /* The path is one of the container's: what the host has there may be anything. */
  if ((st.st_mode & S_IFMT) != (mode_t)op->type || st.st_rdev != makedev((unsigned)op->major, (unsigned)op->minor))
    return fail_errno(STEP_DEVICE_SOURCE, ENODEV, str(op->bind));
  int target = make_target(str(op->dest), WANT_FILE, 0644, LINKS_ALL);
  if (target < 0) return fail(STEP_DEVICE_TARGET, str(op->dest));
  if (move_mount_(tree, target) < 0) return fail(STEP_DEVICE_BIND, str(op->dest));
  close(tree);
  close(target);
  return 0;
}

int do_device(const struct op_device *op) {
  if (op->bind.off) return bind_device(op);
  const char *name;
  int parent = open_parent(str(op->dest), &name);
  if (parent < 0) return fail(STEP_DEVICE_PARENT, str(op->dest));
  dev_t dev = makedev((unsigned)op->major, (unsigned)op->minor);
  mode_t type = (mode_t)op->type;
  if (mknodat(parent, name, type | (mode_t)op->mode, dev) < 0) {
    struct stat st;
    int error = errno;
    bool same = error == EEXIST && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IFMT) == type &&
                (type == S_IFIFO || st.st_rdev == dev);
    close(parent);
    return same && op->keep ? 0 : fail_errno(STEP_DEVICE_MKNOD, error, str(op->dest));
  }
  if (fchownat(parent, name, (uid_t)op->uid, (gid_t)op->gid, AT_SYMLINK_NOFOLLOW) < 0)
    return fail(STEP_DEVICE_CHOWN, str(op->dest));
  /* mknod's mode went through no umask (it is 0), but a default ACL may have changed it */
  close(parent);
  return 0;
}

/* Opened while only the host's /dev can be seen; what masks a path is proven to be the real one (CVE-2025-31133). */
int do_null_device(const struct op_null_device *op) {
  (void)op;
  struct stat st;
  ctx.null = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (ctx.null < 0 || fstat(ctx.null, &st) < 0) return fail(STEP_NULL_DEVICE_OPEN, "/dev/null");
  if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) return fail_errno(STEP_NULL_DEVICE_IDENTITY, ENODEV, "/dev/null");
  return 0;
}

/* One read-only tmpfs for all masked directories: each superblock costs a shrinker (runc#5275). */
static int empty_directory(const char *context) {
  static int first = -1;
  if (first >= 0) return open_tree_(first, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
  int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
  if (fs < 0 || fs_config(fs, SET_FLAG, "ro", NULL) < 0 || fs_config(fs, SET_STRING, "nr_inodes", "1") < 0 ||
      (context && fs_config(fs, SET_STRING, "context", context) < 0) ||
      fs_config(fs, CMD_CREATE, NULL, NULL) < 0)
    return -1;
  first = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  close(fs);
  return first < 0 ? -1 : dup(first);
}

int do_mask(const struct op_mask *op) {
  int target = open_in_root(str(op->dest), O_PATH, 0);
  if (target < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : fail(STEP_MASK_OPEN, str(op->dest));
  struct stat st;
  if (fstat(target, &st) < 0) return fail(STEP_MASK_OPEN, str(op->dest));
  bool directory = S_ISDIR(st.st_mode);
  int tree = directory ? empty_directory(str(op->context)) : open_tree_(ctx.null, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
  if (tree < 0) return fail(directory ? STEP_MASK_TMPFS : STEP_MASK_NULL, str(op->dest));
  if (move_mount_(tree, target) < 0) return fail(STEP_MASK_ATTACH, str(op->dest));
  close(tree);
  close(target);
  return 0;
}

int do_readonly(const struct op_readonly *op) {
  int target = open_in_root(str(op->dest), O_PATH, 0);
  if (target < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : fail(STEP_READONLY_OPEN, str(op->dest));
  int tree = open_tree_(target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE);
  if (tree < 0) return fail(STEP_READONLY_CLONE, str(op->dest));
  int early = set_attributes(tree, MOUNT_ATTR_RDONLY, 0, 0, false);
  if (move_mount_(tree, target) < 0) return fail(STEP_READONLY_ATTACH, str(op->dest));
  if (early < 0 && set_attributes(tree, MOUNT_ATTR_RDONLY, 0, 0, false) < 0) return fail(STEP_READONLY_ATTRIBUTES, str(op->dest));
  close(tree);
  close(target);
  return 0;
}

enum { PIVOT_ROOT, PIVOT_MOVE, PIVOT_CHROOT };

int do_pivot(const struct op_pivot *op) {
  int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (old < 0 || fchdir(ctx.root) < 0) return fail(STEP_PIVOT_OPEN, NULL);
  if (op->mode == PIVOT_ROOT) {
    if (syscall(SYS_pivot_root, ".", ".") < 0) return fail(STEP_PIVOT_PIVOT_ROOT, NULL);
    /* The old root now lies on the new one. A slave, so that its unmounting does not reach the host. */
    if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 || umount2(".", MNT_DETACH) < 0)
      return fail(STEP_PIVOT_OLD_ROOT, NULL);
    if (chdir("/") < 0) return fail(STEP_PIVOT_CHDIR, NULL);
  } else {
    /* What is moved onto the host's root, or covers a part of it, is not for its peers. */
    if (op->mode == PIVOT_MOVE && mount(NULL, "/", NULL, MS_SLAVE, NULL) < 0) return fail(STEP_PIVOT_OLD_ROOT, NULL);
    if (op->mode == PIVOT_MOVE && hide_kernel_files() < 0) return fail(STEP_PIVOT_OLD_ROOT, NULL);
    if (op->mode == PIVOT_MOVE && mount(".", "/", NULL, MS_MOVE, NULL) < 0) return fail(STEP_PIVOT_MOVE, NULL);
    if (chroot(".") < 0) return fail(STEP_PIVOT_CHROOT, NULL);
    if (chdir("/") < 0) return fail(STEP_PIVOT_CHDIR, NULL);
  }
  close(old);
  close(ctx.root);
  ctx.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return ctx.root < 0 ? fail(STEP_PIVOT_OPEN, NULL) : 0;
}

int do_enter_root(const struct op_enter_root *op) {
  if (op->slot >= 0 && (fchdir(slot_fd(op->slot)) < 0 || chroot(".") < 0)) return fail(STEP_ENTER_ROOT_CHROOT, NULL);
  if (op->slot >= 0) set_slot(op->slot, -1);
  ctx.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return ctx.root < 0 || chdir("/") < 0 ? fail(STEP_ENTER_ROOT_OPEN, NULL) : 0;
}

int do_root_attributes(const struct op_root_attributes *op) {
  if (op->propagation && mount(NULL, "/", NULL, op->propagation, NULL) < 0) return fail(STEP_ROOT_ATTRIBUTES_PROPAGATION, "/");
  return set_attributes(ctx.root, op->set, 0, 0, false) < 0 ? fail(STEP_ROOT_ATTRIBUTES_ATTRIBUTES, "/") : 0;
}
