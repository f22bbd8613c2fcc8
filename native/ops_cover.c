/* What hides parts of the container's root, or makes them read-only. */
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "init.h"
#include "mount_api.h"

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
  if (target < 0) return errno == ENOENT ? 0 : fail(STEP_MASK_OPEN, str(op->dest));
  if (is_root(target)) return fail_errno(STEP_MASK_OPEN, EBUSY, str(op->dest)); /* through a link */
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
  if (target < 0) return errno == ENOENT ? 0 : fail(STEP_READONLY_OPEN, str(op->dest));
  if (is_root(target)) { /* through a link: a mount on it would not be seen */
    int rc = set_attributes(target, MOUNT_ATTR_RDONLY, 0, 0, false);
    close(target);
    return rc < 0 ? fail(STEP_READONLY_ATTRIBUTES, str(op->dest)) : 0;
  }
  int tree = open_tree_(target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE);
  if (tree < 0) return fail(STEP_READONLY_CLONE, str(op->dest));
  int early = set_attributes(tree, MOUNT_ATTR_RDONLY, 0, 0, false);
  if (move_mount_(tree, target) < 0) return fail(STEP_READONLY_ATTACH, str(op->dest));
  if (early < 0 && set_attributes(tree, MOUNT_ATTR_RDONLY, 0, 0, false) < 0) return fail(STEP_READONLY_ATTRIBUTES, str(op->dest));
  close(tree);
  close(target);
  return 0;
}
