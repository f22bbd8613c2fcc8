/* rtnetlink(7): requests, and what is read of devices and addresses. */
#include <sys/socket.h>
#include "init.h"
#include "netlink.h"

/* The kernel never puts more into one answer (net/netlink/af_netlink.c). */
#define ANSWER 32768
#define ADDRESSES (1 << 20)
#define IFA_PROTO_ 11 /* Linux 5.18 */

struct request {
  struct nlmsghdr head;
  char body[512];
};

typedef int (*visitor)(const struct nlmsghdr *message, void *to);

static void begin(struct request *r, unsigned type, unsigned flags, const void *body, size_t len) {
  memset(r, 0, sizeof *r);
  r->head.nlmsg_type = (uint16_t)type;
  r->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
  r->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
  memcpy(r->body, body, len);
}

static void attribute(struct request *r, unsigned type, const void *data, size_t len) {
  size_t at = NLMSG_ALIGN(r->head.nlmsg_len);
  if (at + RTA_SPACE(len) > sizeof *r) return; /* what the kernel knows of an address is far smaller */
  struct rtattr *a = (struct rtattr *)((char *)r + at);
  a->rta_type = (uint16_t)type;
  a->rta_len = (uint16_t)RTA_LENGTH(len);
  memcpy(RTA_DATA(a), data, len);
  r->head.nlmsg_len = (uint32_t)(at + RTA_SPACE(len));
}

/* 1: there is more to come, 0: this was the last, -1: it failed, or `visit` did. */
static int take_message_of(const struct nlmsghdr *m, uint32_t sequence, bool *changed, visitor visit, void *to) {
  if (m->nlmsg_seq != sequence) return 1;
  if (m->nlmsg_flags & NLM_F_DUMP_INTR) *changed = true;
  if (m->nlmsg_type != NLMSG_ERROR && m->nlmsg_type != NLMSG_DONE) return visit && visit(m, to) < 0 ? -1 : 1;
  int error = 0;
  if (m->nlmsg_len >= NLMSG_LENGTH(sizeof error)) memcpy(&error, NLMSG_DATA(m), sizeof error);
  return error < 0 ? (errno = -error, -1) : 0;
}

/* Sends the request and has every answer looked at; EAGAIN where a list changed while it was read. */
static int ask(int sock, struct request *r, visitor visit, void *to) {
  static uint32_t sequence;
  static char *answer;
  if (!answer) answer = allocate(ANSWER);
  r->head.nlmsg_seq = ++sequence;
  if (send(sock, r, r->head.nlmsg_len, 0) < 0) return -1;
  bool changed = false;
  for (;;) {
    ssize_t n = recv(sock, answer, ANSWER, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    size_t left = (size_t)n;
    for (const struct nlmsghdr *m = (const struct nlmsghdr *)answer; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
      int more = take_message_of(m, sequence, &changed, visit, to);
      if (more < 0) return -1;
      if (more == 0) return changed ? (errno = EAGAIN, -1) : 0;
    }
  }
}

static int take_device(const struct nlmsghdr *m, void *to) {
  struct device *found = to;
  if (m->nlmsg_type != RTM_NEWLINK) return 0;
  const struct ifinfomsg *info = NLMSG_DATA(m);
  found->index = info->ifi_index;
  found->flags = info->ifi_flags;
  size_t left = IFLA_PAYLOAD(m);
  for (const struct rtattr *a = IFLA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left))
    if (a->rta_type == IFLA_IFNAME && RTA_PAYLOAD(a) <= IFNAMSIZ) memcpy(found->name, RTA_DATA(a), RTA_PAYLOAD(a));
  return 0;
}

int find_device(int sock, const char *name, int index, struct device *found) {
  struct request r;
  struct ifinfomsg info = { .ifi_index = index };
  memset(found, 0, sizeof *found);
  begin(&r, RTM_GETLINK, 0, &info, sizeof info);
  if (name) attribute(&r, IFLA_IFNAME, name, strlen(name) + 1);
  if (ask(sock, &r, take_device, found) < 0) return -1;
  return found->index == 0 ? (errno = ENODEV, -1) : 0;
}

int change_device(int sock, int index, int ns, const char *name) {
  struct request r;
  struct ifinfomsg info = { .ifi_index = index };
  begin(&r, RTM_SETLINK, 0, &info, sizeof info);
  if (ns >= 0) attribute(&r, IFLA_NET_NS_FD, &ns, sizeof ns);
  if (name) attribute(&r, IFLA_IFNAME, name, strlen(name) + 1);
  return ask(sock, &r, NULL, NULL);
}

int raise_device(int sock, int index) {
  struct request r;
  struct ifinfomsg info = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
  begin(&r, RTM_SETLINK, 0, &info, sizeof info);
  return ask(sock, &r, NULL, NULL);
}

struct address_list { int index; struct addresses *to; };

static int take_address(const struct nlmsghdr *m, void *to) {
  const struct address_list *list = to;
  const struct ifaddrmsg *info = NLMSG_DATA(m);
  if (m->nlmsg_type != RTM_NEWADDR || (int)info->ifa_index != list->index) return 0;
  size_t len = NLMSG_ALIGN(m->nlmsg_len);
  if (list->to->used + len > ADDRESSES) return errno = ENOBUFS, -1;
  memcpy(list->to->data + list->to->used, m, m->nlmsg_len);
  list->to->used += len;
  return 0;
}

int list_addresses(int sock, int index, struct addresses *found) {
  found->data = allocate(ADDRESSES); /* only what is written to becomes memory */
  for (int tries = 0; tries < 10; tries++) {
    struct request r;
    struct ifaddrmsg info = { .ifa_family = AF_UNSPEC };
    struct address_list list = { index, found };
    found->used = 0;
    begin(&r, RTM_GETADDR, NLM_F_DUMP, &info, sizeof info);
    if (ask(sock, &r, take_address, &list) == 0) return 0;
    if (errno != EAGAIN) return -1;
  }
  return -1;
}

/* A label begins with the name of its device (ip-address(8)): it changes with it. */
static void add_label(struct request *r, const char *label, const char *once, const char *name) {
  char text[2 * IFNAMSIZ];
  size_t old = strlen(once), len = strlen(name);
  if (strncmp(label, once, old)) return attribute(r, IFA_LABEL, label, strlen(label) + 1);
  memcpy(text, name, len);
  size_t rest = strlen(label + old);
  if (len + rest >= IFNAMSIZ) return; /* the kernel then takes the name */
  memcpy(text + len, label + old, rest + 1);
  attribute(r, IFA_LABEL, text, len + rest + 1);
}

int add_address(int sock, const struct device *device, const char *once, const struct nlmsghdr *address) {
  struct request r;
  struct ifaddrmsg info;
  memcpy(&info, NLMSG_DATA(address), sizeof info);
  size_t left = IFA_PAYLOAD(address);
  const struct rtattr *a = IFA_RTA(NLMSG_DATA(address));
  info.ifa_index = (unsigned)device->index;
  begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
  for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
    switch (a->rta_type) {
      case IFA_LABEL: add_label(&r, RTA_DATA(a), once, device->name); break;
      case IFA_ADDRESS: case IFA_LOCAL: case IFA_BROADCAST: case IFA_FLAGS: case IFA_CACHEINFO: case IFA_RT_PRIORITY:
      case IFA_PROTO_: attribute(&r, a->rta_type, RTA_DATA(a), RTA_PAYLOAD(a));
    }
  return ask(sock, &r, NULL, NULL);
}
