/* Exceptions are taken where they occur, with their cause and address, and the program continues. */

#include "kiln.h"

static void load(void *address)
{
    (void)*(volatile char *)address;
}

static void store(void *address)
{
    *(volatile char *)address = 1;
}

static void nothing(void *ignored)
{
    (void)ignored;
}

/* How far an address is into a function; `limit` if it is not in its first bytes. */
static uint64_t distance(uintptr_t address, void (*function)(void *), uint64_t limit)
{
    uint64_t distance = address - (uintptr_t)function;

    return distance < limit ? distance : limit;
}

void test(void)
{
    struct caught caught = catch_fault(nothing, NULL);
    check_equal("no exception is caught where none occurs", caught.kind, FAULT_NONE);

    caught = catch_fault(undefined_instruction, NULL);
    check_equal("an undefined instruction", caught.kind, FAULT_INSTRUCTION);
    check("the address of the undefined instruction", distance(caught.instruction, undefined_instruction, 32) < 32);

    caught = catch_fault(breakpoint, NULL);
    check_equal("a breakpoint", caught.kind, FAULT_BREAKPOINT);
    check("the address of the breakpoint", distance(caught.instruction, breakpoint, 32) < 32);

    mmu_start();
    char *nowhere = (char *)MMU_WINDOW + 3 * PAGE_SIZE + 5;
    caught = catch_fault(load, nowhere);
    check_equal("a load from an unmapped page", caught.kind, FAULT_READ);
    check_equal("the address of the load", caught.address, (uintptr_t)nowhere);
    check("the instruction that loads", distance(caught.instruction, load, 32) < 32);

    caught = catch_fault(store, nowhere);
    check_equal("a store to an unmapped page", caught.kind, FAULT_WRITE);
    check_equal("the address of the store", caught.address, (uintptr_t)nowhere);

    unsigned wrong = 0;
    for (unsigned count = 0; count < 1000; count++) {
        char *address = nowhere + random_number() % 4096;
        caught = catch_fault(count % 2 ? load : store, address);
        wrong += caught.kind != (count % 2 ? FAULT_READ : FAULT_WRITE) || caught.address != (uintptr_t)address;
    }
    check_equal("wrong ones of 1000 exceptions", wrong, 0);
}
