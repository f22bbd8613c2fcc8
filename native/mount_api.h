/* The new mount API (linux/mount.h) where the C library's headers are older than it. */
#ifndef TSRUNC_MOUNT_API_H
#define TSRUNC_MOUNT_API_H
#include <stdint.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#undef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#undef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x4
#undef MOVE_MOUNT_T_EMPTY_PATH
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#undef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x100 /* Linux 5.15 */
#undef FSOPEN_CLOEXEC
#define FSOPEN_CLOEXEC 1
#undef FSMOUNT_CLOEXEC
#define FSMOUNT_CLOEXEC 1
/* glibc has these as enumerators and macros of the same name, musl not at all: names of our own for both. */
enum { SET_FLAG = 0, SET_STRING = 1, SET_FD = 5, CMD_CREATE = 6 };

#undef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 0x1
#undef MOUNT_ATTR_NOSUID
#define MOUNT_ATTR_NOSUID 0x2
#undef MOUNT_ATTR_NODEV
#define MOUNT_ATTR_NODEV 0x4
#undef MOUNT_ATTR_NOEXEC
#define MOUNT_ATTR_NOEXEC 0x8
#undef MOUNT_ATTR__ATIME
#define MOUNT_ATTR__ATIME 0x70
#undef MOUNT_ATTR_RELATIME
#define MOUNT_ATTR_RELATIME 0x0
#undef MOUNT_ATTR_NOATIME
#define MOUNT_ATTR_NOATIME 0x10
#undef MOUNT_ATTR_STRICTATIME
#define MOUNT_ATTR_STRICTATIME 0x20
#undef MOUNT_ATTR_NODIRATIME
#define MOUNT_ATTR_NODIRATIME 0x80
#undef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x100000
#undef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x200000
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

struct attributes { uint64_t attr_set, attr_clr, propagation, userns_fd; };

#define PROC_SUPER_MAGIC 0x9fa0
#define DEVPTS_SUPER_MAGIC 0x1cd1
#endif
