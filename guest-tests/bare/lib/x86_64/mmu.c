/* The page tables of x86-64, which are on from the start. */

#include "cpu.h"

#define PRESENT 1ull
#define WRITABLE 2ull
#define NO_EXECUTE (1ull << 63)
#define ADDRESS 0x000ffffffffff000ull

extern uint64_t page_tables[];

void mmu_start(void)
{
}

/* The entry of a page of 4 KiB. */
static uint64_t *entry_of(uintptr_t virtual)
{
    uint64_t *table = page_tables;

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = &table[(virtual >> shift) & 511];
        if (!*entry)
            *entry = (uintptr_t)page_allocate() | WRITABLE | PRESENT;
        table = (uint64_t *)(*entry & ADDRESS);
    }
    return &table[(virtual >> 12) & 511];
}

static void set(uintptr_t virtual, uint64_t value)
{
    *(volatile uint64_t *)entry_of(virtual) = value;
    __asm__ volatile("invlpg (%0)" : : "r"(virtual) : "memory");
}

void mmu_map(uintptr_t virtual, uintptr_t physical, unsigned rights)
{
    uint64_t entry = (physical & ADDRESS) | PRESENT;

    entry |= rights & MMU_WRITE ? WRITABLE : 0;
    entry |= rights & MMU_EXECUTE ? 0 : NO_EXECUTE;
    set(virtual, entry);
}

void mmu_unmap(uintptr_t virtual)
{
    set(virtual, 0);
}
