/* Copies of every size, structures by value, unaligned and volatile accesses, atomics, barriers. */

typedef __SIZE_TYPE__ size_t;

extern void *memcpy(void *, const void *, size_t);
extern void *memset(void *, int, size_t);

struct small { char a; short b; };
struct middle { long a; double b; };
struct large { long words[12]; };
struct packed { char a; unsigned int b; unsigned long long c; } __attribute__((packed));

struct small make_small(int x) { return (struct small){ x, x >> 3 }; }

struct middle swap(struct middle m) { return (struct middle){ (long)m.b, m.a }; }

struct large copy(const struct large *from) { struct large to = *from; to.words[7] = 1; return to; }

void copy_some(char *to, const char *from, size_t n)
{
    memcpy(to, from, 7);
    memcpy(to + 16, from + 16, 64);
    memcpy(to + 80, from + 80, n);
}

void clear(struct large *all, char *some)
{
    memset(all, 0, sizeof *all);
    memset(some, 0xa5, 13);
}

unsigned long long unaligned(const struct packed *p) { return p->b + p->c; }

void set_unaligned(struct packed *p, unsigned long long x) { p->a = 1; p->b = (unsigned)x; p->c = x; }

int device(volatile unsigned *port, unsigned value)
{
    *port = value;
    __asm__ volatile("" ::: "memory");
    return *port + *port;
}

int exchange(int *lock, int old, int new)
{
    return __atomic_compare_exchange_n(lock, &old, new, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

int counted(int *count) { return __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST); }

void publish(long **place, long *what) { __atomic_store_n(place, what, __ATOMIC_RELEASE); }

int length(const char *text)
{
    const char *end = text;
    while (*end)
        end++;
    return (int)(end - text);
}

void reverse(char *bytes, int count)
{
    for (int i = 0, j = count - 1; i < j; i++, j--) {
        char byte = bytes[i];
        bytes[i] = bytes[j];
        bytes[j] = byte;
    }
}
