/* Preloaded into a process, notes in POWERLOSS_LOG whatever it does to files below POWERLOSS_ROOT,
 * and what it prints, in one order. A record is
 *   kind u8, length of path u16, length of data u32, number u64, path, data
 * in the byte order of the machine. Kinds: c created, w written at number, t cut to number,
 * b/f a sync begins/ends, s sync_file_range from number (its length as data), m folder made,
 * r renamed to data, u removed, p printed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static const char *root;
static size_t root_length;
static int log_file = -1;

__attribute__((constructor)) static void start(void)
{
    const char *log = getenv("POWERLOSS_LOG");
    root = getenv("POWERLOSS_ROOT");
    root_length = root ? strlen(root) : 0;
    if (log)
        log_file = syscall(SYS_openat, AT_FDCWD, log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
}

static int below(const char *path)
{
    return root_length && !strncmp(path, root, root_length);
}

static int path_of(int file, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return below(path);
}

static void put(const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length) {
        ssize_t done = syscall(SYS_write, log_file, at, length);
        if (done < 0)
            abort();
        at += done;
        length -= done;
    }
}

static void note(char kind, const char *path, uint64_t number, const void *data, uint32_t length)
{
    if (log_file < 0)
        return;
    uint16_t path_length = strlen(path);
    char head[15];
    head[0] = kind;
    memcpy(head + 1, &path_length, 2);
    memcpy(head + 3, &length, 4);
    memcpy(head + 7, &number, 8);
    put(head, sizeof head);
    put(path, path_length);
    put(data, length);
}

static int opened(int folder, const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX];
    struct stat before;
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE)
        return syscall(SYS_openat, folder, path, flags, mode);
    pthread_mutex_lock(&order);
    int was_there = !fstatat(folder, path, &before, 0);
    int file = syscall(SYS_openat, folder, path, flags, mode);
    int error = errno;
    if (file >= 0 && path_of(file, full)) {
        if (!was_there)
            note('c', full, 0, "", 0);
        else if (flags & O_TRUNC)
            note('t', full, 0, "", 0);
    }
    pthread_mutex_unlock(&order);
    errno = error;
    return file;
}

#define MODE(flags, last, mode)                                                                    \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list list;                                                                              \
        va_start(list, last);                                                                      \
        mode = va_arg(list, mode_t);                                                               \
        va_end(list);                                                                              \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags, flags, mode)
    return opened(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags, flags, mode)
    return opened(AT_FDCWD, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...)
{
    MODE(flags, flags, mode)
    return opened(folder, path, flags, mode);
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t at)
{
    char path[PATH_MAX];
    pthread_mutex_lock(&order);
    ssize_t done = syscall(SYS_pwrite64, file, data, length, at);
    int error = errno;
    if (done > 0 && path_of(file, path))
        note('w', path, at, data, done);
    pthread_mutex_unlock(&order);
    errno = error;
    return done;
}

ssize_t pwrite(int file, const void *data, size_t length, off_t at)
{
    return pwrite64(file, data, length, at);
}

ssize_t write(int file, const void *data, size_t length)
{
    char path[PATH_MAX];
    pthread_mutex_lock(&order);
    int ours = file != 1 && path_of(file, path);
    int appends = ours && (fcntl(file, F_GETFL) & O_APPEND);
    off_t at = ours ? lseek(file, 0, appends ? SEEK_END : SEEK_CUR) : 0;
    ssize_t done = syscall(SYS_write, file, data, length);
    int error = errno;
    if (done > 0 && file == 1)
        note('p', "", 0, data, done);
    else if (done > 0 && ours)
        note('w', path, at, data, done);
    pthread_mutex_unlock(&order);
    errno = error;
    return done;
}

/* What is not followed is refused, so that callers take the way that is. */
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags)
{
    errno = ENOSYS;
    return -1;
}

ssize_t sendfile64(int out, int in, off64_t *from, size_t length)
{
    errno = ENOSYS;
    return -1;
}

int fsync(int file)
{
    char path[PATH_MAX];
    int ours = path_of(file, path);
    if (ours) {
        pthread_mutex_lock(&order);
        note('b', path, 0, "", 0);
        pthread_mutex_unlock(&order);
    }
    int failed = syscall(SYS_fsync, file);
    int error = errno;
    if (ours && !failed) {
        pthread_mutex_lock(&order);
        note('f', path, 0, "", 0);
        pthread_mutex_unlock(&order);
    }
    errno = error;
    return failed;
}

int fdatasync(int file)
{
    return fsync(file);
}

int sync_file_range(int file, off64_t from, off64_t length, unsigned flags)
{
    char path[PATH_MAX];
    int failed = syscall(SYS_sync_file_range, file, from, length, flags);
    int error = errno;
    uint64_t many = length;
    pthread_mutex_lock(&order);
    if (!failed && path_of(file, path))
        note('s', path, from, &many, sizeof many);
    pthread_mutex_unlock(&order);
    errno = error;
    return failed;
}

int ftruncate64(int file, off64_t length)
{
    char path[PATH_MAX];
    pthread_mutex_lock(&order);
    int failed = syscall(SYS_ftruncate, file, length);
    int error = errno;
    if (!failed && path_of(file, path))
        note('t', path, length, "", 0);
    pthread_mutex_unlock(&order);
    errno = error;
    return failed;
}

int ftruncate(int file, off_t length)
{
    return ftruncate64(file, length);
}

int rename(const char *from, const char *to)
{
    pthread_mutex_lock(&order);
    int failed = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    int error = errno;
    if (!failed && below(from))
        note('r', from, 0, to, strlen(to));
    pthread_mutex_unlock(&order);
    errno = error;
    return failed;
}

static int removed(int folder, const char *path, int flags)
{
    char full[PATH_MAX];
    pthread_mutex_lock(&order);
    if (folder == AT_FDCWD || path[0] == '/') {
        snprintf(full, sizeof full, "%s", path);
    } else {
        path_of(folder, full);
        size_t length = strlen(full);
        snprintf(full + length, sizeof full - length, "/%s", path);
    }
    int failed = syscall(SYS_unlinkat, folder, path, flags);
    int error = errno;
    if (!failed && below(full))
        note('u', full, 0, "", 0);
    pthread_mutex_unlock(&order);
    errno = error;
    return failed;
}

int unlink(const char *path)
{
    return removed(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return removed(AT_FDCWD, path, AT_REMOVEDIR);
}

int unlinkat(int folder, const char *path, int flags)
{
    return removed(folder, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
    pthread_mutex_lock(&order);
    int failed = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    int error = errno;
    if (!failed && below(path))
        note('m', path, 0, "", 0);
    pthread_mutex_unlock(&order);
    errno = error;
    return failed;
}
