/* Exceptions of AArch64. */

#include "cpu.h"

/* Exception classes (Arm ARM, ESR_ELx). */
enum { CLASS_UNKNOWN = 0x00, CLASS_FETCH = 0x21, CLASS_DATA = 0x25, CLASS_BREAKPOINT = 0x3c };
#define SYNDROME_WRITE (1 << 6)

void exception_synchronous(uint64_t *instruction)
{
    uint64_t syndrome = READ(esr_el1);
    uintptr_t address = 0;
    enum fault kind = FAULT_OTHER;

    switch (syndrome >> 26 & 0x3f) {
    case CLASS_UNKNOWN:
        kind = FAULT_INSTRUCTION;
        break;
    case CLASS_BREAKPOINT:
        kind = FAULT_BREAKPOINT;
        break;
    case CLASS_FETCH:
        kind = FAULT_EXECUTE;
        address = READ(far_el1);
        break;
    case CLASS_DATA:
        kind = syndrome & SYNDROME_WRITE ? FAULT_WRITE : FAULT_READ;
        address = READ(far_el1);
        break;
    }
    *instruction = fault_taken(kind, address, *instruction);
}

void exception_other(uint64_t *instruction)
{
    *instruction = fault_taken(FAULT_OTHER, 0, *instruction);
}

void undefined_instruction(void *ignored)
{
    (void)ignored;
    __asm__ volatile("udf #0");
}

void breakpoint(void *ignored)
{
    (void)ignored;
    __asm__ volatile("brk #0");
}
