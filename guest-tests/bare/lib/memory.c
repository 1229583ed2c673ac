/* The functions on memory that the compiler may call, and pages for page tables. */

#include "arch.h"

#define PAGES 64

void *memset(void *memory, int byte, size_t size)
{
    for (unsigned char *at = memory; size; size--)
        *at++ = (unsigned char)byte;
    return memory;
}

void *memcpy(void *to, const void *from, size_t size)
{
    const unsigned char *source = from;

    for (unsigned char *at = to; size; size--)
        *at++ = *source++;
    return to;
}

int memcmp(const void *left, const void *right, size_t size)
{
    const unsigned char *a = left, *b = right;

    for (; size; size--, a++, b++) {
        if (*a != *b)
            return *a - *b;
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;

    while (text[length])
        length++;
    return length;
}

int strcmp(const char *left, const char *right)
{
    while (*left && *left == *right)
        left++, right++;
    return (unsigned char)*left - (unsigned char)*right;
}

void *page_allocate(void)
{
    static unsigned char pages[PAGES][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
    static unsigned used;

    if (used == PAGES)
        fail("no page is left for page tables");
    return pages[used++];
}
