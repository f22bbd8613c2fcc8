/* Directories, links and devices in the container's root. */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "init.h"
#include "mount_api.h"

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

/* The path is one of the container's: what the host has there may be anything. */
int open_device(const char *path, uint64_t type, uint64_t major, uint64_t minor) {
  int tree = open_tree_(AT_FDCWD, path, OPEN_TREE_CLONE);
  struct stat st;
  if (tree < 0 || fstat(tree, &st) < 0) return -1;
  if ((st.st_mode & S_IFMT) == (mode_t)type && st.st_rdev == makedev((unsigned)major, (unsigned)minor)) return tree;
  close(tree);
  return errno = ENODEV, -1;
}

/* In a user namespace the kernel makes no devices: one from outside is bound there. */
static int bind_device(const struct op_device *op) {
  int tree = -1;
  struct message m;
  if (!op->received) tree = open_device(str(op->bind), op->type, op->major, op->minor);
  else if (receive_message(ctx.sync, &m, &tree) <= 0) _exit(1);
  if (tree < 0) return fail(STEP_DEVICE_SOURCE, str(op->bind));
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
