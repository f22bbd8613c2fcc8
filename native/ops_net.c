/* Network devices: into the container's network namespace, and back where the container does not come to be. */
#include <sched.h>
#include <sys/socket.h>
#include "init.h"
#include "netlink.h"

/* What it takes to give a device back. */
struct moved {
  struct moved *earlier;
  struct device before, now; /* now.index 0: it is not known where it went */
  struct addresses addresses;
};
static struct moved *moved;

/* A netlink socket stays in the namespace that it was made in. */
int do_netlink(const struct op_netlink *op) {
  int ours = -1;
  if (op->ns >= 0) {
    ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (ours < 0) return fail(STEP_NETLINK_OPEN, NULL);
    if (setns(slot_fd(op->ns), CLONE_NEWNET) < 0) return fail(STEP_NETLINK_ENTER, NULL);
  }
  int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), error = errno;
  if (ours >= 0 && setns(ours, CLONE_NEWNET) < 0) return fail(STEP_NETLINK_LEAVE, NULL);
  if (ours >= 0) close(ours);
  return sock < 0 ? fail_errno(STEP_NETLINK_SOCKET, error, NULL) : set_slot(op->slot, sock);
}

int do_net_find(const struct op_net_find *op) {
  struct device device;
  if (find_device(slot_fd(op->from), str(op->name), 0, &device) < 0) return fail(STEP_NET_FIND_FIND, NULL);
  if (!op->free.off) return 0;
  if (find_device(slot_fd(op->to), str(op->free), 0, &device) == 0) return fail_errno(STEP_NET_FIND_NAME, EEXIST, str(op->free));
  return errno == ENODEV ? 0 : fail(STEP_NET_FIND_NAME, str(op->free));
}

static uint32_t address_flags(const struct nlmsghdr *address) {
  const struct ifaddrmsg *info = NLMSG_DATA(address);
  uint32_t flags = info->ifa_flags;
  size_t left = IFA_PAYLOAD(address);
  for (const struct rtattr *a = IFA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left))
    if (a->rta_type == IFA_FLAGS) memcpy(&flags, RTA_DATA(a), sizeof flags);
  return flags;
}

/* Those that have all of `flags` and that scope. */
static int add_addresses(int sock, const struct moved *m, const struct op_net_move *op) {
  size_t left = m->addresses.used;
  const struct nlmsghdr *a = (const struct nlmsghdr *)m->addresses.data;
  for (; NLMSG_OK(a, left); a = NLMSG_NEXT(a, left)) {
    const struct ifaddrmsg *info = NLMSG_DATA(a);
    if ((address_flags(a) & op->address_flags) != op->address_flags || info->ifa_scope != op->address_scope) continue;
    if (add_address(sock, &m->now, m->before.name, a) < 0) return -1;
  }
  return 0;
}

/*
 * In one request the kernel moves a device under its old name and renames it then, unless the old name is taken where
 * it goes: only then it has the new one from the start. So a name for the way is needed in that case, and in no other.
 */
static int move_device(const struct op_net_move *op, struct moved *m) {
  int from = slot_fd(op->from), to = slot_fd(op->to);
  struct device other;
  char name[IFNAMSIZ] = "~";
  bool taken = find_device(to, m->before.name, 0, &other) == 0;
  if (taken) put_number(name + 1, (uint64_t)m->before.index);
  if (change_device(from, m->before.index, slot_fd(op->ns), taken ? name : NULL) < 0) return -1;
  m->earlier = moved;
  moved = m;
  return find_device(to, taken ? name : m->before.name, 0, &m->now);
}

int do_net_move(const struct op_net_move *op) {
  int from = slot_fd(op->from), to = slot_fd(op->to);
  struct moved *m = allocate(sizeof *m);
  if (find_device(from, str(op->name), 0, &m->before) < 0) return fail(STEP_NET_MOVE_FIND, NULL);
  /* Before the move, which takes the device down and its addresses away. */
  if (list_addresses(from, m->before.index, &m->addresses) < 0) return fail(STEP_NET_MOVE_ADDRESSES, NULL);
  if (move_device(op, m) < 0) return fail(STEP_NET_MOVE_MOVE, NULL);
  const char *name = op->rename.off ? str(op->rename) : m->before.name;
  if (strcmp(name, m->now.name)) {
    if (change_device(to, m->now.index, -1, name) < 0) return fail(STEP_NET_MOVE_RENAME, name);
    if (find_device(to, NULL, m->now.index, &m->now) < 0) return fail(STEP_NET_MOVE_RENAME, name);
  }
  if (add_addresses(to, m, op) < 0) return fail(STEP_NET_MOVE_ADDRESS, NULL);
  return raise_device(to, m->now.index) < 0 ? fail(STEP_NET_MOVE_UP, NULL) : 0;
}

static void restore(int sock, const struct moved *m, const struct device *device) {
  size_t left = m->addresses.used;
  const struct nlmsghdr *a = (const struct nlmsghdr *)m->addresses.data;
  for (; NLMSG_OK(a, left); a = NLMSG_NEXT(a, left)) add_address(sock, device, m->before.name, a);
  if (m->before.flags & IFF_UP) raise_device(sock, device->index);
}

/* All that netMove moved, last first, for a later one may have gone to the name of an earlier one. */
int do_net_return(const struct op_net_return *op) {
  int host = slot_fd(op->host), there = slot_fd(op->there), rc = 0;
  if (host < 0 || there < 0 || !moved) return 0;
  int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (ns < 0) return fail(STEP_NET_RETURN_OPEN, NULL);
  for (struct moved *m = moved; m; m = m->earlier) {
    struct device device;
    if (m->now.index == 0) rc = fail_errno(STEP_NET_RETURN_FIND, ENODEV, m->before.name);
    else if (change_device(there, m->now.index, ns, m->before.name) < 0) rc = fail(STEP_NET_RETURN_MOVE, m->before.name);
    else if (find_device(host, m->before.name, 0, &device) < 0) rc = fail(STEP_NET_RETURN_FIND, m->before.name);
    else restore(host, m, &device);
  }
  moved = NULL;
  close(ns);
  return rc;
}
