/* Arguments: variable, many, of mixed kinds; addresses of data, text and thread-local variables. */

typedef __builtin_va_list va_list;

extern int print(const char *, va_list);
extern int take(int, double, const char *, long long, ...);

int sum(int count, ...)
{
    va_list list;
    int total = 0;
    __builtin_va_start(list, count);
    while (count-- > 0)
        total += __builtin_va_arg(list, int);
    total += (int)__builtin_va_arg(list, double);
    total += (int)__builtin_va_arg(list, long long);
    __builtin_va_end(list);
    return total;
}

int hand_on(const char *format, ...)
{
    va_list list;
    __builtin_va_start(list, format);
    int result = print(format, list);
    __builtin_va_end(list);
    return result;
}

int call(int x) { return take(x, 0.5, "canary", 1LL << 40, x, (double)x, "end"); }

long many(long a, int b, short c, char d, long e, int f, long g, int h, double i, long j, float k)
{
    return a + b * c - d + e / (f | 1) + g * h + (long)i + j + (long)k;
}

static int counter = 3;
const char *const names[] = { "one", "two", "three" };

const char *name(unsigned which) { counter += which; return which < 3 ? names[which] : 0; }

int *address(void) { return &counter; }

int frame(int n)
{
    volatile char room[n + 1];
    room[n] = 7;
    return room[0] + room[n];
}
