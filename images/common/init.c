/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's /init: mounts what a test expects, says hello on the control channel, takes the
 * test from there, runs it, and reports how it ended. Also /bin/kiln-call, by its other name:
 * the way for a running test to ask the host for something, and to reach what busybox has no
 * command for: firmware calls, I/O ports, NVMe admin commands.
 *
 * A guest can also be saved before it has a test, and restored any number of times: `prepare`
 * readies it for that, `resume` is the first record that a restored guest gets.
 *
 * The records are described in guest-tests/README.md. This file decides nothing about a verdict.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/random.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <sys/io.h>
#endif
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PORT_NAME "org.kiln.control"
#define CALL_SOCKET "\0kiln-call"
#define NONCE_LEN 32
#define LINE_MAX_BYTES 16384
#define OUT_CHUNK 4096
#define CALL_MAX_BYTES 12288
#define CALLS_MAX 16
#define HELLO_INTERVAL_MS 200
#define SEPARATOR '\x1f'
#define ENTROPY_MAX_BYTES 64
#define SETTLE_MAX_MS 10000
#define SETTLE_INTERVAL_MS 2
/* A hub waits at most 100 ms for the power of its ports before it looks at them. */
#define USB_QUIET_MS 150

static char nonce[NONCE_LEN + 1] = "-";
static unsigned long sent_seq, received_seq;
static int channel = -1;
static int on_console;
/* Since `prepare`: the nonce is that of the template, and the guest says nothing until `resume`. */
static int prepared;
static pid_t test_pid = -1;
static int test_out = -1;

/* A kiln-call that waits for its answer, or whose request is still coming in. */
static struct call {
    int fd;
    unsigned long id;
    int answered;
    size_t len;
    char request[CALL_MAX_BYTES];
} calls[CALLS_MAX];

static void complain(const char *what)
{
    dprintf(STDERR_FILENO, "init: %s: %s\n", what, strerror(errno));
}

static uint32_t crc32_add(uint32_t crc, const char *bytes, size_t len)
{
    while (len--) {
        crc ^= (unsigned char)*bytes++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return crc;
}

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return;
        if (n < 0) {
            struct pollfd ready = { .fd = fd, .events = POLLOUT };
            poll(&ready, 1, 100);
            continue;
        }
        bytes += n;
        len -= n;
    }
}

/* Writes one record; false when its payload, escaped, is too long for a line. */
static int send_record(const char *type, const char *payload, size_t len)
{
    static const char hex[] = "0123456789ABCDEF";
    static char line[LINE_MAX_BYTES];
    static char escaped[3 * CALL_MAX_BYTES];
    char head[96];
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = payload[i];
        if (c < 0x20 || c == '%' || c == 0x7f) {
            escaped[used++] = '%';
            escaped[used++] = hex[c >> 4];
            escaped[used++] = hex[c & 15];
        } else {
            escaped[used++] = c;
        }
    }
    int head_len = snprintf(head, sizeof head, "%s %lu %s ", nonce, ++sent_seq, type);
    uint32_t crc = crc32_add(~0u, head, head_len);
    crc = ~crc32_add(crc, escaped, used);
    /* On the console a record starts a line of its own, whatever the kernel just printed there. */
    int n = snprintf(line, sizeof line, "%s@kiln %s%08x ", on_console ? "\n" : "", head, crc);
    if (n + used + 1 > sizeof line) {
        sent_seq--;
        return 0;
    }
    memcpy(line + n, escaped, used);
    line[n + used] = '\n';
    write_all(channel, line, n + used + 1);
    return 1;
}

/* Sends bytes of any length as records of one type that stay below the length of a line. */
static void send_bytes(const char *type, const char *bytes, size_t len)
{
    while (len) {
        size_t chunk = len < OUT_CHUNK ? len : OUT_CHUNK;
        send_record(type, bytes, chunk);
        bytes += chunk;
        len -= chunk;
    }
}

static void mount_all(void)
{
    static const struct { const char *type, *target, *data; } mounts[] = {
        { "proc", "/proc", NULL },
        { "sysfs", "/sys", NULL },
        { "devtmpfs", "/dev", "mode=0755" },
        { "devpts", "/dev/pts", "mode=0620,ptmxmode=0666" },
        { "tmpfs", "/dev/shm", "mode=1777" },
        { "tmpfs", "/tmp", "mode=1777" },
        { "tmpfs", "/run", "mode=0755" },
        { "debugfs", "/sys/kernel/debug", NULL },
    };
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
        mkdir(mounts[i].target, 0755);
        if (mount(mounts[i].type, mounts[i].target, mounts[i].type, 0, mounts[i].data) &&
            errno != EBUSY && errno != ENODEV && errno != ENOENT)
            complain(mounts[i].target);
    }
    symlink("/proc/self/fd", "/dev/fd");
    symlink("pts/ptmx", "/dev/ptmx");
    mkdir("/kiln", 0755);
}

static void loopback_up(void)
{
    struct ifreq request = { .ifr_name = "lo" };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
}

static ssize_t read_file(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, size - 1);
    if (fd >= 0)
        close(fd);
    buffer[n < 0 ? 0 : n] = 0;
    if (n > 0 && buffer[n - 1] == '\n')
        buffer[n - 1] = 0;
    return n;
}

/* Looks a word up on the kernel command line: its value, "" if it has none, NULL if it is not there. */
static const char *command_line(const char *name)
{
    static char line[4096];
    static char value[256];
    size_t len = strlen(name);
    read_file("/proc/cmdline", line, sizeof line);
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        if (strncmp(word, name, len) || (word[len] && word[len] != '='))
            continue;
        snprintf(value, sizeof value, "%s", word[len] ? word + len + 1 : "");
        return value;
    }
    return NULL;
}

static int open_port(void)
{
    char path[300], name[64];
    DIR *ports = opendir("/sys/class/virtio-ports");
    int fd = -1;
    if (!ports)
        return -1;
    for (struct dirent *port; fd < 0 && (port = readdir(ports));) {
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", port->d_name);
        if (port->d_name[0] == '.' || read_file(path, name, sizeof name) < 0)
            continue;
        if (strcmp(name, PORT_NAME))
            continue;
        snprintf(path, sizeof path, "/dev/%s", port->d_name);
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    closedir(ports);
    return fd;
}

/* The terminal behind /dev/console, which itself can be nobody's controlling terminal. */
static int open_terminal(int flags)
{
    char active[64], path[80];
    read_file("/sys/class/tty/console/active", active, sizeof active);
    char *last = strrchr(active, ' ');
    snprintf(path, sizeof path, "/dev/%s", last ? last + 1 : active);
    int fd = open(path, O_RDWR | flags);
    return fd < 0 ? open("/dev/console", O_RDWR | flags) : fd;
}

static int open_channel(void)
{
    const char *choice = command_line("kiln.channel");
    if (choice && !strcmp(choice, "console")) {
        struct termios raw;
        int fd = open_terminal(O_NOCTTY | O_CLOEXEC);
        on_console = 1;
        if (!tcgetattr(fd, &raw)) {
            cfmakeraw(&raw);
            tcsetattr(fd, TCSANOW, &raw);
        }
        /* Between records only a panic may speak. */
        klogctl(8, NULL, 1);
        return fd;
    }
    for (unsigned tries = 0;; tries++) {
        int fd = open_port();
        if (fd >= 0)
            return fd;
        if (tries == 2000)
            dprintf(STDERR_FILENO, "init: no virtio-serial port named `%s` yet\n", PORT_NAME);
        usleep(5000);
    }
}

static void power_off(void)
{
    sync();
    reboot(RB_POWER_OFF);
    reboot(RB_HALT_SYSTEM);
    for (;;)
        pause();
}

/* busybox's `poweroff`, `reboot` and `halt` ask process 1 by these signals. */
static void leave_on_signal(int number)
{
    sync();
    reboot(number == SIGTERM ? RB_AUTOBOOT : number == SIGUSR1 ? RB_HALT_SYSTEM : RB_POWER_OFF);
}

static void child_environment(void)
{
    setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
    setenv("HOME", "/root", 1);
    setenv("TERM", "vt100", 0);
}

/* Interactive: a login shell on the console; when it ends, so does the guest. */
static void run_shell(void)
{
    const char *size = command_line("kiln.size");
    struct winsize window = { .ws_row = 24, .ws_col = 80 };
    if (size)
        sscanf(size, "%hux%hu", &window.ws_col, &window.ws_row);
    pid_t shell = fork();
    if (!shell) {
        setsid();
        int terminal = open_terminal(0);
        ioctl(terminal, TIOCSCTTY, 1);
        ioctl(terminal, TIOCSWINSZ, &window);
        for (int fd = 0; fd < 3; fd++)
            dup2(terminal, fd);
        child_environment();
        chdir("/root");
        execl("/bin/sh", "-sh", (char *)NULL);
        complain("/bin/sh");
        _exit(127);
    }
    for (pid_t gone; (gone = wait(NULL)) != shell;)
        if (gone < 0 && errno != EINTR)
            break;
    power_off();
}

static size_t unescape(char *text, size_t len)
{
    char *to = text;
    for (size_t i = 0; i < len; i++) {
        unsigned value;
        if (text[i] == '%' && i + 2 < len && sscanf(text + i + 1, "%2x", &value) == 1) {
            *to++ = value;
            i += 2;
        } else {
            *to++ = text[i];
        }
    }
    *to = 0;
    return to - text;
}

/* `put PATH MODE<0x1f>BYTES`: the first one for a path in this boot starts the file anew. */
static void put_file(char *payload, size_t len)
{
    static char seen[64][128];
    char *bytes = memchr(payload, SEPARATOR, len), *mode;
    if (!bytes)
        return;
    *bytes++ = 0;
    mode = strchr(payload, ' ');
    if (!mode)
        return;
    *mode++ = 0;
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_TRUNC;
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        if (!strcmp(seen[i], payload)) {
            flags = O_WRONLY | O_APPEND | O_CLOEXEC;
            break;
        }
        if (!seen[i][0]) {
            snprintf(seen[i], sizeof seen[i], "%s", payload);
            break;
        }
    }
    int fd = open(payload, flags, 0600);
    if (fd < 0) {
        complain(payload);
        return;
    }
    write_all(fd, bytes, len - (bytes - payload));
    fchmod(fd, strtoul(mode, NULL, 8));
    close(fd);
}

static void run_test(const char *script, const sigset_t *signals)
{
    int ends[2];
    if (test_pid >= 0 || pipe2(ends, O_CLOEXEC))
        return;
    test_pid = fork();
    if (!test_pid) {
        sigprocmask(SIG_UNBLOCK, signals, NULL);
        setsid();
        int null = open("/dev/null", O_RDONLY);
        dup2(null, 0);
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        child_environment();
        chdir("/");
        execl("/bin/sh", "sh", script, (char *)NULL);
        complain(script);
        _exit(127);
    }
    close(ends[1]);
    test_out = ends[0];
}

static void end_call(struct call *call, const char *answer, size_t len)
{
    write_all(call->fd, answer, len);
    close(call->fd);
    call->fd = -1;
}

/*
 * `part ID STATUS TEXT`, then `reply ID STATUS TEXT` with the last of the text: kiln-call gets the
 * status once, and then the pieces. It takes in all of them before it prints any, so that it always
 * reads, also when this process is the one that must read what it prints.
 */
static void answer_call(char *payload, size_t len, int whole)
{
    char *rest;
    unsigned long id = strtoul(payload, &rest, 10);
    for (struct call *call = calls; call < calls + CALLS_MAX; call++) {
        if (call->fd < 0 || call->id != id)
            continue;
        char *body = *rest == ' ' ? strchr(rest + 1, ' ') : NULL;
        if (!body)
            return;
        *body = '\n';
        char *from = call->answered ? body + 1 : rest + 1;
        call->answered = 1;
        if (whole)
            end_call(call, from, len - (from - payload));
        else
            write_all(call->fd, from, len - (from - payload));
        return;
    }
}

#ifdef __NR_rtas
/*
 * kiln-call --rtas SERVICE ARG…: calls the platform's firmware (rtas(2)) as drmgr does. No file of
 * sysfs changes the state of a connector for a PCI device (Linux v6.12, dlpar.c), so `plug` must.
 */
static int run_rtas(int argc, char **argv)
{
    struct {
        uint32_t token, inputs, outputs, values[16];
    } call = { .inputs = htobe32(argc - 1), .outputs = htobe32(1) };
    char path[300];
    snprintf(path, sizeof path, "/proc/device-tree/rtas/%s", argc ? argv[0] : "");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || argc > 16 || read(fd, &call.token, 4) != 4) {
        complain(path);
        return 99;
    }
    for (int i = 1; i < argc; i++)
        call.values[i - 1] = htobe32(strtoul(argv[i], NULL, 0));
    if (syscall(__NR_rtas, &call)) {
        complain(argv[0]);
        return 99;
    }
    int32_t status = be32toh(call.values[argc - 1]);
    if (status)
        dprintf(STDERR_FILENO, "%s: status %d\n", argv[0], status);
    return status != 0;
}
#endif

static long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Whether the kernel works in the background. While a worker executes something, its name has a `+`
 * (Linux, wq_worker_comm()): asynchronous probing, the scan of a SCSI host, a USB hub.
 */
static int workers_busy(void)
{
    char path[300], name[64];
    int busy = 0;
    DIR *processes = opendir("/proc");
    if (!processes)
        return 0;
    for (struct dirent *entry; !busy && (entry = readdir(processes));) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
        busy = read_file(path, name, sizeof name) > 0 && !strncmp(name, "kworker/", 8) &&
               strchr(name, '+');
    }
    closedir(processes);
    return busy;
}

static int open_uevents(void)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (fd >= 0)
        bind(fd, (struct sockaddr *)&address, sizeof address);
    return fd;
}

/* Reads the events that have arrived; returns their number, and notes whether one is about USB. */
static int drain_uevents(int uevents, int *usb)
{
    static const char subsystem[] = "SUBSYSTEM=usb";
    char event[4096];
    int count = 0;
    for (;;) {
        ssize_t n = recv(uevents, event, sizeof event, 0);
        /* ENOBUFS: more events than the socket holds. */
        if (n < 0 && errno != ENOBUFS)
            return count;
        count++;
        if (n > 0 && memmem(event, n, subsystem, sizeof subsystem))
            *usb = 1;
    }
}

/*
 * Waits until the drivers of new devices have finished. At boot the kernel itself waits for
 * asynchronous probing before it starts init. USB has pauses in which no worker is busy.
 */
static void settle(int uevents)
{
    long start = milliseconds(), last = start, now = start;
    int usb = 0;
    while (now - start < SETTLE_MAX_MS) {
        int busy = workers_busy();
        if (drain_uevents(uevents, &usb))
            last = milliseconds();
        now = milliseconds();
        if (!busy && now - last >= (usb ? USB_QUIET_MS : 0))
            return;
        usleep(SETTLE_INTERVAL_MS * 1000);
    }
    dprintf(STDERR_FILENO, "init: drivers still work after %d ms\n", SETTLE_MAX_MS);
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    if (n < 0)
        complain(path);
    if (fd >= 0)
        close(fd);
    return n >= 0;
}

/* Mixes in bytes that no other restored guest has, and makes the kernel's generator use them. */
static int add_entropy(const char *hex)
{
    struct {
        struct rand_pool_info info;
        unsigned char bytes[ENTROPY_MAX_BYTES];
    } pool = { .info.buf_size = 0 };
    unsigned byte;
    while (pool.info.buf_size < ENTROPY_MAX_BYTES && sscanf(hex, "%2x", &byte) == 1 && hex[1]) {
        pool.bytes[pool.info.buf_size++] = byte;
        hex += 2;
    }
    pool.info.entropy_count = 8 * pool.info.buf_size;
    int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    int added = fd >= 0 && pool.info.buf_size && !ioctl(fd, RNDADDENTROPY, &pool) &&
                !ioctl(fd, RNDRESEEDCRNG);
    if (!added)
        complain("/dev/urandom");
    if (fd >= 0)
        close(fd);
    return added;
}

/* `clock SECONDS NANOSECONDS`: the time of day. */
static int set_clock(const char *text)
{
    long long seconds;
    long nanoseconds;
    if (sscanf(text, "%lld %ld", &seconds, &nanoseconds) != 2)
        return 0;
    struct timespec now = { .tv_sec = seconds, .tv_nsec = nanoseconds };
    if (clock_settime(CLOCK_REALTIME, &now)) {
        complain("clock");
        return 0;
    }
    return 1;
}

/* A device on a machine whose firmware must be asked for it, as drmgr does for a hotplug. */
static int connect_device(const char *index)
{
#ifdef __NR_rtas
    char text[64];
    char *arguments[] = { "set-indicator", "9001", (char *)index, "1" };
    snprintf(text, sizeof text, "dt add index %.32s", index);
    return !run_rtas(4, arguments) && write_file("/sys/kernel/dlpar", text);
#else
    dprintf(STDERR_FILENO, "init: no connector %s on this machine\n", index);
    return 0;
#endif
}

/*
 * `prepare COMMAND`: the guest is about to be saved. The command runs whatever a test is likely to
 * run, so that it is in memory. The nonce of this record names what is saved.
 */
static void prepare(const char *from, const char *command, const sigset_t *signals)
{
    pid_t child;
    int status = 127;
    if (strlen(from) != NONCE_LEN || nonce[0] != '-' || prepared)
        return;
    child = fork();
    if (!child) {
        sigprocmask(SIG_UNBLOCK, signals, NULL);
        setsid();
        int null = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; fd++)
            dup2(null, fd);
        child_environment();
        chdir("/");
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    settle(-1);
    memcpy(nonce, from, sizeof nonce);
    prepared = 1;
    sent_seq = received_seq = 0;
    char report[16];
    int n = snprintf(report, sizeof report, "%d", WIFEXITED(status) ? WEXITSTATUS(status) : 127);
    send_record("prepared", report, n);
}

/*
 * `resume TEMPLATE BOOTS RESCAN ENTROPY CONNECTOR...`: the guest was restored. It gets a nonce of
 * its own, and entropy that distinguishes it from others that were restored from the same file. It
 * takes in the devices that it was not saved with. Only the guest that was saved as TEMPLATE answers.
 */
static void resume(const char *from, char *payload)
{
    char template[NONCE_LEN + 1], boots[16], entropy[2 * ENTROPY_MAX_BYTES + 1];
    int rescan, used = 0, well;
    if (!prepared || strlen(from) != NONCE_LEN ||
        sscanf(payload, "%32s %15s %d %128s%n", template, boots, &rescan, entropy, &used) != 4 ||
        strcmp(template, nonce))
        return;
    prepared = 0;
    memcpy(nonce, from, sizeof nonce);
    sent_seq = 0;
    setenv("BOOTS", boots, 1);
    well = add_entropy(entropy);
    int uevents = rescan ? open_uevents() : -1;
    for (char *index = strtok(payload + used, " "); index; index = strtok(NULL, " "))
        well &= connect_device(index);
    if (rescan) {
        well &= write_file("/sys/bus/pci/rescan", "1");
        settle(uevents);
        close(uevents);
    }
    char report[NONCE_LEN + 16];
    int n = snprintf(report, sizeof report, "%s %d", template, well ? 0 : 1);
    send_record("resumed", report, n);
}

/* Takes one line from the host; anything that is no valid record is passed over. */
static void take_line(char *line, const sigset_t *signals)
{
    char from[NONCE_LEN + 1], type[16];
    unsigned long seq;
    uint32_t crc;
    int head_end = 0, payload_start = 0;

    if (strncmp(line, "@kiln ", 6))
        return;
    line += 6;
    if (sscanf(line, "%32s %lu %15s%n %8x%n", from, &seq, type, &head_end, &crc, &payload_start) < 4)
        return;
    if (line[payload_start] != ' ')
        return;
    char *payload = line + payload_start + 1;
    size_t len = strlen(payload);
    uint32_t sum = crc32_add(~0u, line, head_end);
    sum = crc32_add(sum, " ", 1);
    sum = ~crc32_add(sum, payload, len);
    if (sum != crc)
        return;
    len = unescape(payload, len);

    if (!strcmp(type, "start")) {
        if (strlen(from) != NONCE_LEN)
            return;
        memcpy(nonce, from, sizeof nonce);
        sent_seq = 0;
        received_seq = seq;
        setenv("BOOTS", payload, 1);
        return;
    }
    if (!strcmp(type, "prepare")) {
        prepare(from, payload, signals);
        return;
    }
    if (!strcmp(type, "resume")) {
        resume(from, payload);
        received_seq = strcmp(from, nonce) ? received_seq : seq;
        return;
    }
    if (strcmp(from, nonce) || seq <= received_seq)
        return;
    received_seq = seq;
    if (!strcmp(type, "put"))
        put_file(payload, len);
    else if (!strcmp(type, "set") && strchr(payload, '='))
        putenv(strdup(payload));
    else if (!strcmp(type, "run"))
        run_test(payload, signals);
    else if (!strcmp(type, "reply"))
        answer_call(payload, len, 1);
    else if (!strcmp(type, "part"))
        answer_call(payload, len, 0);
    else if (!strcmp(type, "clock"))
        set_clock(payload);
}

/* Reads what the host sent; false when the channel is gone for good. */
static int take_input(const sigset_t *signals)
{
    static char buffer[2 * LINE_MAX_BYTES];
    static size_t used;
    ssize_t n = read(channel, buffer + used, sizeof buffer - 1 - used);
    if (n <= 0)
        return n < 0 && (errno == EINTR || errno == EAGAIN);
    used += n;
    char *line = buffer, *end;
    while ((end = memchr(line, '\n', used - (line - buffer)))) {
        *end = 0;
        take_line(line, signals);
        line = end + 1;
    }
    used -= line - buffer;
    memmove(buffer, line, used);
    if (used == sizeof buffer - 1)
        used = 0;
    return 1;
}

/* The call is complete: announcements are records of their own, the rest waits for an answer. */
static void pass_call(struct call *call)
{
    static unsigned long last_id;
    static char payload[CALL_MAX_BYTES + 32];
    if (call->len && !strncmp(call->request, "leave", 5) && call->len > 6 && !call->request[5]) {
        send_record("leaving", call->request + 6, strnlen(call->request + 6, call->len - 6));
        end_call(call, "0\n", 2);
        return;
    }
    call->id = ++last_id;
    int n = snprintf(payload, sizeof payload, "%lu ", call->id);
    for (size_t i = 0; i < call->len; i++)
        payload[n + i] = call->request[i] ? call->request[i] : SEPARATOR;
    n += call->len;
    if (n && payload[n - 1] == SEPARATOR)
        n--;
    static const char too_long[] = "99\nkiln-call: the request is too long\n";
    if (call->len == sizeof call->request || !send_record("call", payload, n))
        end_call(call, too_long, sizeof too_long - 1);
}

static void take_call(struct call *call)
{
    ssize_t n = read(call->fd, call->request + call->len, sizeof call->request - call->len);
    if (n > 0) {
        call->len += n;
        if (call->len < sizeof call->request)
            return;
    }
    pass_call(call);
}

static void drain_output(void)
{
    char bytes[OUT_CHUNK];
    struct pollfd ready = { .fd = test_out, .events = POLLIN };
    while (poll(&ready, 1, 0) > 0) {
        ssize_t n = read(test_out, bytes, sizeof bytes);
        if (n <= 0)
            break;
        send_bytes("out", bytes, n);
    }
    close(test_out);
    test_out = -1;
}

/* With the console as the channel the kernel was silenced: hand its last words over as output. */
static void send_kernel_log(void)
{
    static char log[OUT_CHUNK];
    int n = klogctl(3, log, sizeof log);
    if (n > 0)
        send_bytes("out", log, n);
}

static void reap(void)
{
    int status;
    char report[64], taint[32];
    for (pid_t gone; (gone = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (gone != test_pid)
            continue;
        drain_output();
        read_file("/proc/sys/kernel/tainted", taint, sizeof taint);
        if (on_console && strcmp(taint, "0"))
            send_kernel_log();
        int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        int n = snprintf(report, sizeof report, "%d %s", code, taint);
        send_record("end", report, n);
    }
}

static int listen_for_calls(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, CALL_SOCKET, sizeof CALL_SOCKET - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(fd, (struct sockaddr *)&address,
         offsetof(struct sockaddr_un, sun_path) + sizeof CALL_SOCKET - 1);
    listen(fd, CALLS_MAX);
    for (int i = 0; i < CALLS_MAX; i++)
        calls[i].fd = -1;
    return fd;
}

static struct call *free_call(void)
{
    for (struct call *call = calls; call < calls + CALLS_MAX; call++)
        if (call->fd < 0)
            return call;
    return NULL;
}

static void accept_call(int listener, struct call *slot)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        *slot = (struct call){ .fd = fd };
}

/* `hello VERSION RELEASE CAPABILITY...` */
static void say_hello(void)
{
    struct utsname name;
    char text[160];
    uname(&name);
    int n = snprintf(text, sizeof text, "1 %.100s resume", name.release);
    sent_seq = 0;
    send_record("hello", text, n);
}

/* As process 1 it prepares the system; as an agent it is a service of one that has another init. */
static void run_init(int is_agent)
{
    sigset_t signals;
    if (!is_agent) {
        mount_all();
        sethostname("kiln", 4);
        loopback_up();
        signal(SIGTERM, leave_on_signal);
        signal(SIGUSR1, leave_on_signal);
        signal(SIGUSR2, leave_on_signal);
    }
    if (command_line("kiln.shell"))
        run_shell();

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int children = signalfd(-1, &signals, SFD_CLOEXEC);
    int listener = listen_for_calls();
    channel = open_channel();
    say_hello();

    for (;;) {
        struct pollfd fds[4 + CALLS_MAX] = {
            { .fd = channel, .events = POLLIN },
            { .fd = test_out, .events = POLLIN },
            { .fd = children, .events = POLLIN },
            /* Without a free slot the next caller waits in connect() or for its answer. */
            { .fd = free_call() ? listener : -1, .events = POLLIN },
        };
        for (int i = 0; i < CALLS_MAX; i++)
            fds[4 + i] = (struct pollfd){ .fd = calls[i].id ? -1 : calls[i].fd, .events = POLLIN };
        int greeted = nonce[0] != '-';
        if (!poll(fds, 4 + CALLS_MAX, greeted ? -1 : HELLO_INTERVAL_MS) && !greeted)
            say_hello();
        if (fds[1].revents) {
            char bytes[OUT_CHUNK];
            ssize_t n = read(test_out, bytes, sizeof bytes);
            if (n > 0) {
                send_bytes("out", bytes, n);
            } else {
                close(test_out);
                test_out = -1;
            }
        }
        for (int i = 0; i < CALLS_MAX; i++)
            if (fds[4 + i].revents && calls[i].fd >= 0 && !calls[i].id)
                take_call(&calls[i]);
        if (fds[3].revents)
            accept_call(listener, free_call());
        if (fds[0].revents && !take_input(&signals))
            power_off();
        if (fds[2].revents) {
            struct signalfd_siginfo info;
            read(children, &info, sizeof info);
            reap();
        }
    }
}

/* kiln-call WORD [ARG]…: an argument `-` is replaced by standard input. */
static int run_call(int argc, char **argv)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, CALL_SOCKET, sizeof CALL_SOCKET - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static char bytes[CALL_MAX_BYTES];
    char *answer = NULL;
    size_t used = 0, size = 0;
    ssize_t n;

    if (connect(fd, (struct sockaddr *)&address,
                offsetof(struct sockaddr_un, sun_path) + sizeof CALL_SOCKET - 1)) {
        complain("kiln-call: no init to ask");
        return 99;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-")) {
            write_all(fd, argv[i], strlen(argv[i]) + 1);
            continue;
        }
        while ((n = read(STDIN_FILENO, bytes, sizeof bytes)) > 0)
            write_all(fd, bytes, n);
        write_all(fd, "", 1);
    }
    shutdown(fd, SHUT_WR);

    /* The answer: the status in digits, a newline, then what to print. */
    do {
        if (used == size) {
            size += CALL_MAX_BYTES + size;
            answer = realloc(answer, size);
            if (!answer) {
                complain("kiln-call");
                return 99;
            }
        }
        n = read(fd, answer + used, size - used);
        used += n > 0 ? n : 0;
    } while (n > 0);
    char *text = memchr(answer, '\n', used);
    if (!text)
        return 99;
    int status = strtol(answer, NULL, 10);
    text++;
    write_all(status ? STDERR_FILENO : STDOUT_FILENO, text, used - (text - answer));
    return status;
}

/* A number of a command line, decimal, octal or hexadecimal; false when it is none or above MAX. */
static int parse_number(const char *text, uint32_t max, uint32_t *value)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 0);
    *value = number;
    return *text >= '0' && *text <= '9' && !*end && number <= max;
}

#ifdef __x86_64__
/*
 * kiln-call --port BITS PORT [VALUE]: one access to a legacy I/O port. /dev/port splits what is wider
 * than a byte, which is not the same to a device.
 */
static int run_port(int argc, char **argv)
{
    uint32_t bits, port, value = 0;
    if (argc < 2 || argc > 3 || !parse_number(argv[0], 32, &bits) ||
        (bits != 8 && bits != 16 && bits != 32) || !parse_number(argv[1], 0xffff, &port) ||
        (argc == 3 && !parse_number(argv[2], 0xffffffffu >> (32 - bits), &value))) {
        dprintf(STDERR_FILENO, "usage: kiln-call --port 8|16|32 PORT [VALUE]\n");
        return 2;
    }
    if (iopl(3)) {
        complain("iopl");
        return 99;
    }
    if (argc == 3) {
        if (bits == 8)
            outb(value, port);
        else if (bits == 16)
            outw(value, port);
        else
            outl(value, port);
    } else {
        value = bits == 8 ? inb(port) : bits == 16 ? inw(port) : inl(port);
        printf("0x%0*x\n", (int)bits / 4, value);
    }
    return 0;
}
#else
static int run_port(int argc, char **argv)
{
    (void)argc, (void)argv;
    dprintf(STDERR_FILENO, "kiln-call: this processor has no I/O ports\n");
    return 1;
}
#endif

/* struct nvme_passthru_cmd and its request, of include/uapi/linux/nvme_ioctl.h (Linux v6.12). */
struct nvme_command {
    uint8_t opcode, flags;
    uint16_t reserved;
    uint32_t nsid, cdw2, cdw3;
    uint64_t metadata, address;
    uint32_t metadata_len, data_len, cdw10, cdw11, cdw12, cdw13, cdw14, cdw15, timeout_ms, result;
};
/* musl takes an int. */
#define NVME_ADMIN_COMMAND ((int)_IOWR('N', 0x41, struct nvme_command))
#define NVME_DATA_MAX 65536

/* Sets the field that `FIELD=VALUE` names; `read` and `write` are the length of the data. */
static int set_nvme_field(struct nvme_command *command, const char *text, int *reads, int *writes)
{
    const struct { const char *name; uint32_t *value; } fields[] = {
        { "nsid", &command->nsid }, { "cdw2", &command->cdw2 }, { "cdw3", &command->cdw3 },
        { "cdw10", &command->cdw10 }, { "cdw11", &command->cdw11 }, { "cdw12", &command->cdw12 },
        { "cdw13", &command->cdw13 }, { "cdw14", &command->cdw14 }, { "cdw15", &command->cdw15 },
        { "read", &command->data_len }, { "write", &command->data_len },
    };
    size_t len = strcspn(text, "=");
    for (size_t i = 0; text[len] && i < sizeof fields / sizeof *fields; i++) {
        if (strlen(fields[i].name) != len || strncmp(fields[i].name, text, len))
            continue;
        *reads |= !strcmp(fields[i].name, "read");
        *writes |= !strcmp(fields[i].name, "write");
        return parse_number(text + len + 1, 0xffffffffu, fields[i].value);
    }
    return 0;
}

/*
 * kiln-call --nvme DEVICE OPCODE [FIELD=VALUE]...: an NVMe admin command. Prints the bytes that it
 * reads, else doubleword 0 of the completion. The kernel returns the controller's status as a
 * positive number.
 */
static int run_nvme(int argc, char **argv)
{
    static char data[NVME_DATA_MAX];
    struct nvme_command command = { 0 };
    uint32_t opcode;
    int reads = 0, writes = 0;

    if (argc < 2 || !parse_number(argv[1], 0xff, &opcode)) {
        dprintf(STDERR_FILENO, "usage: kiln-call --nvme DEVICE OPCODE [FIELD=VALUE]...\n");
        return 2;
    }
    command.opcode = opcode;
    for (int i = 2; i < argc; i++) {
        if (!set_nvme_field(&command, argv[i], &reads, &writes)) {
            dprintf(STDERR_FILENO, "kiln-call --nvme: no such field or number: `%s`\n", argv[i]);
            return 2;
        }
    }
    if (command.data_len > sizeof data || (reads && writes)) {
        dprintf(STDERR_FILENO, "kiln-call --nvme: at most %d bytes, in one direction\n",
                NVME_DATA_MAX);
        return 2;
    }
    for (size_t used = 0; writes && used < command.data_len;) {
        ssize_t n = read(STDIN_FILENO, data + used, command.data_len - used);
        if (n <= 0) {
            dprintf(STDERR_FILENO, "kiln-call --nvme: %zu of %u bytes on standard input\n", used,
                    command.data_len);
            return 2;
        }
        used += n;
    }
    command.address = (uintptr_t)data;
    int fd = open(argv[0], O_RDWR | O_CLOEXEC);
    int status = fd < 0 ? -1 : ioctl(fd, NVME_ADMIN_COMMAND, &command);
    if (status < 0) {
        complain(argv[0]);
        return 99;
    }
    if (status) {
        dprintf(STDERR_FILENO, "%s: NVMe status 0x%x\n", argv[0], status);
        return 1;
    }
    if (reads)
        write_all(STDOUT_FILENO, data, command.data_len);
    else
        printf("0x%x\n", command.result);
    return 0;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    if (!strcmp(slash ? slash + 1 : argv[0], "kiln-call")) {
#ifdef __NR_rtas
        if (argc > 2 && !strcmp(argv[1], "--rtas"))
            return run_rtas(argc - 2, argv + 2);
#endif
        if (argc > 1 && !strcmp(argv[1], "--port"))
            return run_port(argc - 2, argv + 2);
        if (argc > 1 && !strcmp(argv[1], "--nvme"))
            return run_nvme(argc - 2, argv + 2);
        return run_call(argc, argv);
    }
    int is_agent = argc > 1 && !strcmp(argv[1], "--agent");
    if (!is_agent && getpid() != 1) {
        dprintf(STDERR_FILENO, "init: runs as process 1 of a guest, or with --agent\n");
        return 1;
    }
    run_init(is_agent);
    return 0;
}
