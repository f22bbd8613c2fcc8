// Exports the BPF that libseccomp makes for rules read from stdin, many profiles per run.
//
//   profile DEFAULT OPTIMIZE     default return value (hex), 1: linear, 2: binary tree
//   arch TOKEN                   SCMP_ARCH_* (hex); the first one takes the place of the native one
//   rule RET NAME [INDEX OP VALUE VALUE2]...
//   end                          answered by: status, rule, nanoseconds, length (4 × uint32, host order), the filter
//   resolve TOKEN NAME           answered by: the number (int32)
//
// `status` is 0 or the negative errno of libseccomp, `rule` the index of the rule it was for. Like runc, a rule for
// a name that libseccomp does not know is skipped.
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int add_rule(scmp_filter_ctx ctx, char *line)
{
    char *save = NULL;
    uint32_t action = (uint32_t)strtoul(strtok_r(line, " \n", &save), NULL, 16);
    int nr = seccomp_syscall_resolve_name(strtok_r(NULL, " \n", &save));
    struct scmp_arg_cmp args[6];
    unsigned count = 0;
    char *word;
    if (nr == __NR_SCMP_ERROR) return 0;
    while (count < 6 && (word = strtok_r(NULL, " \n", &save)) != NULL) {
        args[count].arg = (unsigned)strtoul(word, NULL, 10);
        args[count].op = (enum scmp_compare)strtoul(strtok_r(NULL, " \n", &save), NULL, 10);
        args[count].datum_a = strtoull(strtok_r(NULL, " \n", &save), NULL, 10);
        args[count].datum_b = strtoull(strtok_r(NULL, " \n", &save), NULL, 10);
        count++;
    }
    return seccomp_rule_add_array(ctx, action, nr, count, args);
}

static void answer(scmp_filter_ctx ctx, int status, uint32_t rule, uint64_t spent)
{
    uint64_t start = now();
    int fd = memfd_create("bpf", MFD_CLOEXEC);
    if (fd < 0) exit(2);
    if (status == 0) status = seccomp_export_bpf(ctx, fd);
    uint32_t length = status == 0 ? (uint32_t)lseek(fd, 0, SEEK_END) : 0;
    uint32_t head[4] = {(uint32_t)status, rule, (uint32_t)(spent + now() - start), length};
    void *bytes = length ? mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    fwrite(head, sizeof head, 1, stdout);
    if (length) {
        fwrite(bytes, length, 1, stdout);
        munmap(bytes, length);
    }
    close(fd);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    scmp_filter_ctx ctx = NULL;
    int status = 0, arches = 0;
    uint32_t rule = 0, failed = 0;
    uint64_t spent = 0;
    while (getline(&line, &room, stdin) > 0) {
        uint64_t start = now();
        if (strncmp(line, "profile ", 8) == 0) {
            char *rest;
            uint32_t action = (uint32_t)strtoul(line + 8, &rest, 16);
            status = arches = 0;
            rule = failed = 0;
            spent = 0;
            ctx = seccomp_init(action);
            if (ctx == NULL) return 2;
            seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
            seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, (uint32_t)strtoul(rest, NULL, 10));
            seccomp_attr_set(ctx, SCMP_FLTATR_API_SYSRAWRC, 1);
        } else if (strncmp(line, "arch ", 5) == 0) {
            uint32_t token = (uint32_t)strtoul(line + 5, NULL, 16);
            int rc;
            if (arches++ == 0 && token != seccomp_arch_native()) seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE);
            rc = seccomp_arch_add(ctx, token);
            if (rc != 0 && rc != -EEXIST && status == 0) status = rc;
        } else if (strncmp(line, "rule ", 5) == 0) {
            int rc = status == 0 ? add_rule(ctx, line + 5) : 0;
            if (rc != 0) {
                status = rc;
                failed = rule;
            }
            rule++;
        } else if (strncmp(line, "end", 3) == 0) {
            answer(ctx, status, failed, spent);
            seccomp_release(ctx);
            ctx = NULL;
            continue;
        } else if (strncmp(line, "resolve ", 8) == 0) {
            char *name;
            uint32_t token = (uint32_t)strtoul(line + 8, &name, 16);
            name[strcspn(name, "\n")] = 0;
            int32_t nr = seccomp_syscall_resolve_name_arch(token, name + 1);
            fwrite(&nr, sizeof nr, 1, stdout);
        }
        spent += now() - start;
    }
    free(line);
    return 0;
}
