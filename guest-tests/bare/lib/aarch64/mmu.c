/* The page tables of AArch64, which are on from the start (Arm ARM, D8). */

#include "cpu.h"

#define TABLE 3ull
/* A page of normal memory, shareable, accessed, that user programs cannot execute. */
#define PAGE (0x707ull | 1ull << 54)
#define READ_ONLY (1ull << 7)
#define NO_EXECUTE (1ull << 53)
#define ADDRESS 0x0000fffffffff000ull

extern uint64_t page_tables[];

void mmu_start(void)
{
}

/* The entry of a page of 4 KiB. */
static uint64_t *entry_of(uintptr_t virtual)
{
    uint64_t *table = page_tables;

    for (unsigned shift = 30; shift > 12; shift -= 9) {
        uint64_t *entry = &table[(virtual >> shift) & 511];
        if (!*entry)
            *entry = (uintptr_t)page_allocate() | TABLE;
        table = (uint64_t *)(*entry & ADDRESS);
    }
    return &table[(virtual >> 12) & 511];
}

/* An entry that is valid must not become another valid one. */
static void set(uintptr_t virtual, uint64_t value)
{
    volatile uint64_t *entry = entry_of(virtual);

    *entry = 0;
    __asm__ volatile("dsb ishst; tlbi vaae1is, %0; dsb ish; isb" : : "r"(virtual >> 12) : "memory");
    *entry = value;
    __asm__ volatile("dsb ishst; isb" : : : "memory");
}

void mmu_map(uintptr_t virtual, uintptr_t physical, unsigned rights)
{
    uint64_t entry = (physical & ADDRESS) | PAGE;

    entry |= rights & MMU_WRITE ? 0 : READ_ONLY;
    entry |= rights & MMU_EXECUTE ? 0 : NO_EXECUTE;
    set(virtual, entry);
}

void mmu_unmap(uintptr_t virtual)
{
    set(virtual, 0);
}
