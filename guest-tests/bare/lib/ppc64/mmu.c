/* Radix page tables (Power ISA, book III, "Radix Tree Translation"). Without translation until `mmu_start`. */

#include "cpu.h"

#define VALID (1ull << 63)
#define LEAF (1ull << 62)
/* Referenced and changed, so that no exception has to set them. */
#define USED 0x180ull
#define DEVICE 0x20ull
#define PRIVILEGED 0x8ull
#define CAN_READ 0x4ull
#define CAN_WRITE 0x2ull
#define CAN_EXECUTE 0x1ull
#define ADDRESS 0x01fffffffffff000ull
/* Each table below the root has 512 entries. */
#define NEXT_SIZE 9ull
/* 52 bits of addresses, of which the root takes 13. */
#define TREE_SIZE (0x5ull << 5 | 0x2ull << 61)
#define ROOT_BITS 13
#define ROOT_SHIFT 39
#define GIB (1ull << 30)
/* Flags of H_REGISTER_PROC_TBL: modify, register, radix, and the guest invalidates translations itself. */
#define REGISTER_RADIX 0x1d

static uint64_t root[1 << ROOT_BITS] __attribute__((aligned(8 << ROOT_BITS)));
static uint64_t processes[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));

/* The entry for an address in the tables whose entries span `1 << last` bytes. */
static uint64_t *entry_of(uintptr_t virtual, unsigned last)
{
    uint64_t *entry = &root[(virtual >> ROOT_SHIFT) & ((1 << ROOT_BITS) - 1)];

    for (unsigned shift = ROOT_SHIFT - 9; shift >= last; shift -= 9) {
        if (!*entry)
            *entry = (uintptr_t)page_allocate() | VALID | NEXT_SIZE;
        uint64_t *table = (uint64_t *)(*entry & ADDRESS);
        entry = &table[(virtual >> shift) & 511];
    }
    return entry;
}

void mmu_start(void)
{
    const uint64_t all = VALID | LEAF | USED | PRIVILEGED | CAN_READ | CAN_WRITE;

    if (machine_state() & MSR_TRANSLATION)
        return;
    *entry_of(0, 30) = all | CAN_EXECUTE;
    for (uint64_t at = machine.window.start & ~(GIB - 1); at < machine.window.start + machine.window.size; at += GIB)
        *entry_of(at, 30) = at | all | DEVICE;
    processes[0] = TREE_SIZE | (uintptr_t)root | ROOT_BITS;
    if (hypervisor_call(H_REGISTER_PROC_TBL, (uint64_t[4]){REGISTER_RADIX, (uintptr_t)processes}, NULL))
        fail("H_REGISTER_PROC_TBL is refused");
    __asm__ volatile("sync; mtmsrd %0; isync" : : "r"(machine_state() | MSR_TRANSLATION) : "memory");
}

static void set(uintptr_t virtual, uint64_t value)
{
    uint64_t page = virtual & ~(PAGE_SIZE - 1ull);

    *(volatile uint64_t *)entry_of(virtual, 12) = value;
    /* Of process 0, for a page of 4 KiB. */
    __asm__ volatile("ptesync; tlbie %0, %1, 0, 1, 1; eieio; tlbsync; ptesync" : : "r"(page), "r"(0) : "memory");
}

void mmu_map(uintptr_t virtual, uintptr_t physical, unsigned rights)
{
    uint64_t entry = (physical & ADDRESS) | VALID | LEAF | USED | PRIVILEGED | CAN_READ;

    entry |= rights & MMU_WRITE ? CAN_WRITE : 0;
    entry |= rights & MMU_EXECUTE ? CAN_EXECUTE : 0;
    set(virtual, entry);
}

void mmu_unmap(uintptr_t virtual)
{
    set(virtual, 0);
}
