/* Start and end of a test, its checks, and what it prints. */

#include <stdarg.h>

#include "arch.h"

/* The status that means "skipped", as in every test of Kiln. */
#define STATUS_SKIP 77

static unsigned checks, failures;

static void put_number(uint64_t number, unsigned base, bool negative)
{
    char digits[21];
    unsigned count = 0;

    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    if (negative)
        arch_put('-');
    while (count)
        arch_put(digits[--count]);
}

static void put_text(const char *text)
{
    while (*text)
        arch_put(*text++);
}

void print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            arch_put(*format);
            continue;
        }
        bool is_long = false;
        while (*++format == 'l')
            is_long = true;
        switch (*format) {
        case 's':
            put_text(va_arg(arguments, const char *));
            break;
        case 'c':
            arch_put((char)va_arg(arguments, int));
            break;
        case 'd': {
            int64_t number = is_long ? va_arg(arguments, long) : va_arg(arguments, int);
            put_number(number < 0 ? -(uint64_t)number : (uint64_t)number, 10, number < 0);
            break;
        }
        case 'u':
        case 'x': {
            uint64_t number =
                is_long ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned);
            put_number(number, *format == 'x' ? 16 : 10, false);
            break;
        }
        default:
            arch_put(*format);
        }
    }
    va_end(arguments);
}

/* Whether the expectation of this check is to be wrong: `kiln.wrong=N` makes that of the Nth so, which
 * must make the test fail. */
static bool is_wrong(void)
{
    return ++checks == parameter("kiln.wrong", 0);
}

bool check(const char *name, bool holds)
{
    bool expected = !is_wrong();

    if (holds == expected) {
        print("PASS: %s\n", name);
        return true;
    }
    failures++;
    print("FAIL: %s\n", name);
    return false;
}

bool check_equal(const char *name, uint64_t found, uint64_t expected)
{
    if (is_wrong())
        expected ^= 1;
    if (found == expected) {
        print("PASS: %s\n", name);
        return true;
    }
    failures++;
    print("FAIL: %s: expected 0x%lx, found 0x%lx\n", name, expected, found);
    return false;
}

/* Where a parameter has its value in the command line; NULL without it. */
static const char *value_of(const char *name)
{
    size_t length = strlen(name);

    for (const char *at = arch_command_line(); *at; at++) {
        if (memcmp(at, name, length) == 0 && at[length] == '=')
            return at + length + 1;
        while (*at && *at != ' ')
            at++;
        if (!*at)
            break;
    }
    return NULL;
}

uint64_t parameter(const char *name, uint64_t otherwise)
{
    const char *digits = value_of(name);
    uint64_t value = 0;

    if (!digits)
        return otherwise;
    for (; *digits >= '0' && *digits <= '9'; digits++)
        value = 10 * value + (uint64_t)(*digits - '0');
    return value;
}

/* splitmix64, by Sebastiano Vigna, in the public domain. */
uint64_t random_number(void)
{
    static uint64_t state;
    static bool is_seeded;

    if (!is_seeded) {
        state = parameter("kiln.seed", 1);
        is_seeded = true;
    }
    uint64_t number = state += 0x9e3779b97f4a7c15;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
    number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
    return number ^ (number >> 31);
}

/* The last line of every test, which the runner looks for. */
static _Noreturn void end(int status)
{
    const char *nonce = value_of("kiln.nonce");

    print("kiln: end ");
    while (nonce && *nonce && *nonce != ' ')
        arch_put(*nonce++);
    print(" %d\n", status);
    arch_exit(status);
}

_Noreturn void skip(const char *reason)
{
    print("SKIP: %s\n", reason);
    end(STATUS_SKIP);
}

_Noreturn void fail(const char *cause)
{
    print("FAIL: %s\n", cause);
    end(1);
}

_Noreturn void start(void)
{
    arch_start();
    test();
    end(failures ? 1 : 0);
}
