/* A disk that fails at the n-th write below one folder, and that tells in which order it was asked to keep what.

   Preloaded: LD_PRELOAD=faulty_disk.so FAULTY_FOLDER=/folder [FAULTY_LOG=/log]. `fail_at(n, error)` begins to count anew;
   without an error, half of what was to be written is. `failed()` says whether the n-th write came. The log has one line for each: "write PATH", "sync PATH", "rename OLD NEW".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static long left = -1;
static int with_error, met;

void fail_at(long n, int error) { left = n; with_error = error; met = 0; }
int failed(void) { return met; }

static int below(const char *path) {
    const char *folder = getenv("FAULTY_FOLDER");
    return folder && !strncmp(path, folder, strlen(folder));
}

static void tell(const char *what, const char *path, const char *more) {
    const char *log = getenv("FAULTY_LOG");
    char line[3 * PATH_MAX];
    if (!log) return;
    int at = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int size = snprintf(line, sizeof line, "%s %s%s%s\n", what, path, *more ? " " : "", more);
    if (at >= 0) { syscall(SYS_write, at, line, size); syscall(SYS_close, at); }
}

enum { WHOLE, FAILS, HALF };

/* Whether this call is one of those that count, and is the one that fails or does half of its work. */
static int fails(const char *what, int fd) {
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int kept = errno;
    ssize_t size = readlink(name, path, sizeof path - 1);
    errno = kept;
    if (size < 0) return 0;
    path[size] = 0;
    if (!below(path)) return 0;
    tell(what, path, "");
    if (left < 0 || left-- != 0) return 0;
    met = 1;
    errno = with_error;
    return with_error ? FAILS : HALF;
}

#define REAL(name, type, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *from, size_t size) {
    int how = fails("write", fd);
    return how == FAILS ? -1 : REAL(write, ssize_t, int, const void *, size_t)(fd, from, how == HALF ? (size + 1) / 2 : size);
}
ssize_t pwrite(int fd, const void *from, size_t size, off_t at) {
    int how = fails("write", fd);
    if (how == HALF) size = (size + 1) / 2;
    return how == FAILS ? -1 : REAL(pwrite, ssize_t, int, const void *, size_t, off_t)(fd, from, size, at);
}
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) {
    int how = fails("write", fd);
    if (how == HALF) size = (size + 1) / 2;
    return how == FAILS ? -1 : REAL(pwrite64, ssize_t, int, const void *, size_t, off64_t)(fd, from, size, at);
}
int ftruncate(int fd, off_t size) { return fails("write", fd) == FAILS ? -1 : REAL(ftruncate, int, int, off_t)(fd, size); }
int ftruncate64(int fd, off64_t size) {
    return fails("write", fd) == FAILS ? -1 : REAL(ftruncate64, int, int, off64_t)(fd, size);
}
int fsync(int fd) { return fails("sync", fd) == FAILS ? -1 : REAL(fsync, int, int)(fd); }
int fdatasync(int fd) { return fails("sync", fd) == FAILS ? -1 : REAL(fdatasync, int, int)(fd); }

int rename(const char *from, const char *to) {
    if (below(from) || below(to)) tell("rename", from, to);
    return REAL(rename, int, const char *, const char *)(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    tell("rename", from, to);
    return REAL(renameat, int, int, const char *, int, const char *)(a, from, b, to);
}
