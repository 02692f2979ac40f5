/* What a hostile root file system would try from inside its jail. One line per attempt: name and errno, 0 when it worked.
   Nothing here does harm where it works, beyond showing that it did. argv[1]: a process of the host. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void said(const char *name, long result) { printf("%s %d\n", name, result < 0 ? errno : 0); }

#ifdef __x86_64__
static void said_old(const char *name, long number, long first) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(0L), "d"(0L), "S"(0L), "D"(0L) : "memory");
    printf("%s %ld\n", name, result < 0 ? -result : 0);
}
#endif

int main(int argc, char **argv) {
    pid_t host = argc > 1 ? atoi(argv[1]) : 1;
    struct { unsigned char bytes[64]; } handle = {{0}};
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct held[2] = {{0}};
    said("create", open("/etc/created", O_CREAT | O_WRONLY, 0600));
    said("overwrite", open("/etc/passwd", O_WRONLY));
    said("mode", chmod("/etc/passwd", 0666));
    said("device", mknod("/dev/disk", S_IFBLK | 0600, makedev(254, 0)));
    said("own-device", open("/device", O_RDONLY));
    said("mount", mount("none", "/tmp", "tmpfs", 0, ""));
    said("remount", mount("none", "/", 0, MS_REMOUNT | MS_BIND, ""));
    said("unmount", umount2("/dev", MNT_DETACH));
    said("chroot", chroot("/tmp"));
    said("namespace", unshare(CLONE_NEWUSER));
    said("network", socket(AF_INET, SOCK_STREAM, 0));
    said("unix-socket", socket(AF_UNIX, SOCK_STREAM, 0));
    said("by-handle", syscall(SYS_open_by_handle_at, open("/", O_RDONLY), &handle, O_RDONLY));
    said("keyring", syscall(SYS_keyctl, 0, -3, 0, 0, 0));
    said("uring", syscall(425, 1, 0));
    said("kill-host", kill(host, 0));
    said("trace-first", ptrace(PTRACE_ATTACH, 1, 0, 0));
    said("host-name", sethostname("x", 1));
    said("processes", open("/proc/1/environ", O_RDONLY));
#ifdef __x86_64__
    said("x32", syscall(0x40000000 + 304, 0, 0, 0));
    said_old("old-by-handle", 342, -100);
    said_old("old-socketcall", 102, 1);
#endif
    syscall(SYS_capget, &header, held);
    printf("capabilities %x.%x\n", held[0].effective | held[0].permitted | held[0].inheritable, held[1].permitted);
    kill(1, SIGKILL);
    puts("alive 0");
    return 0;
}
