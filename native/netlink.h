/* rtnetlink(7): requests, and what is read of devices and addresses. */
#ifndef TSRUNC_NETLINK_H
#define TSRUNC_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

/* What is kept of a device. */
struct device {
  int index;
  unsigned flags; /* IFF_* */
  char name[IFNAMSIZ];
};

/* RTM_NEWADDR messages as the kernel wrote them, one behind the other. */
struct addresses {
  char *data;
  size_t used;
};

/* By name, or by index where name is NULL. */
int find_device(int sock, const char *name, int index, struct device *found);
/* `ns` and `name` may be -1 and NULL. A name holds in the namespace that the device then is in. */
int change_device(int sock, int index, int ns, const char *name);
int raise_device(int sock, int index);
int list_addresses(int sock, int index, struct addresses *found);
/* Gives `device` an address that was listed when it was called `once`. */
int add_address(int sock, const struct device *device, const char *once, const struct nlmsghdr *address);

#endif
