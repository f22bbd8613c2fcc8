/* The container's root, how it leaves the host's groups of mounts, and how it is entered. */
#include <sys/mount.h>
#include "init.h"
#include "mount_api.h"

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
