/* Makes one node's disk bad on request, for the tests of a state directory: preloaded into bossd,
 * it looks for the file "disk-fault" in bossd's working directory before it touches state/state.new,
 * and does what the word in it says:
 *
 *     slow SECONDS    fsync takes that long, then succeeds
 *     fsync           fsync fails with EIO; with a 1 behind it, once
 *     rename          rename fails with EIO; with a 1 behind it, once
 *     read-only       no file in state/ can be opened for writing: EROFS
 *     full            the file cannot be opened: ENOSPC
 *
 * Each time it does so it says so in "disk-fault.log". No other file is touched, nor is the
 * executor's marker. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_state(const char *path) {
    const char *end = "/state/state.new";
    size_t length = strlen(path), tail = strlen(end);
    return length >= tail && strcmp(path + length - tail, end) == 0;
}

/* The wish of the moment; the number behind it goes to *number. Raw system calls: these functions
 * stand in the place of open. */
static int wished(const char *word, int *number) {
    char text[64] = {0}, found[32] = {0};
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "disk-fault", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    ssize_t count = read(fd, text, sizeof text - 1);
    close(fd);
    *number = 0;
    if (count <= 0 || sscanf(text, "%31s %d", found, number) < 1)
        return 0;
    return strcmp(found, word) == 0;
}

static void say(const char *what) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "disk-fault.log",
                          O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    (void)!write(fd, what, strlen(what));
    close(fd);
}

/* What is to happen once is over before anybody hears of it. */
static void over(int once) {
    if (once)
        unlink("disk-fault");
}

static int refused(const char *path, int flags) {
    int unused, writes = (flags & O_ACCMODE) != O_RDONLY;
    if (writes && strstr(path, "/state/") != NULL && wished("read-only", &unused)) {
        say("read-only\n");
        errno = EROFS;
        return 1;
    }
    if (is_state(path) && wished("full", &unused)) {
        say("full\n");
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

static int open_at(const char *path, int flags, va_list rest) {
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
    if (refused(path, flags))
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int fd = open_at(path, flags, rest);
    va_end(rest);
    return fd;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int fd = open_at(path, flags | O_LARGEFILE, rest);
    va_end(rest);
    return fd;
}

int fsync(int fd) {
    char link[64], path[4096] = {0};
    int number = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) > 0 && is_state(path)) {
        if (wished("slow", &number)) {
            struct timespec left = {.tv_sec = number, .tv_nsec = 0};
            say("slow begins\n");
            while (nanosleep(&left, &left) != 0 && errno == EINTR)
                ;
            say("slow ends\n");
        } else if (wished("fsync", &number)) {
            over(number);
            say("fsync\n");
            errno = EIO;
            return -1;
        }
    }
    return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to) {
    int once;
    if (is_state(from) && wished("rename", &once)) {
        over(once);
        say("rename\n");
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
