/* Exceptions and interrupts of x86-64. */

#include "cpu.h"

/* What is on the stack when a vector is taken. */
struct frame {
    uint64_t registers[10];
    uint64_t vector;
    uint64_t code;
    uint64_t instruction;
    uint64_t code_segment;
    uint64_t flags;
    uint64_t stack;
    uint64_t stack_segment;
};

struct gate {
    uint16_t offset_low;
    uint16_t segment;
    uint16_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

enum { EXCEPTION_BREAKPOINT = 3, EXCEPTION_INSTRUCTION = 6, EXCEPTION_PAGE = 14, EXCEPTIONS = 32 };
enum { CODE_WRITE = 2, CODE_FETCH = 16 };
#define SEGMENT_CODE 8
#define GATE_INTERRUPT 0x8e00
#define VECTOR_SIZE 16

extern char vectors[];
static struct gate gates[256];

void exceptions_start(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof gates - 1, (uintptr_t)gates};

    for (unsigned vector = 0; vector < 256; vector++) {
        uintptr_t entry = (uintptr_t)vectors + VECTOR_SIZE * vector;
        gates[vector] = (struct gate){
            .offset_low = (uint16_t)entry,
            .segment = SEGMENT_CODE,
            .type = GATE_INTERRUPT,
            .offset_middle = (uint16_t)(entry >> 16),
        };
    }
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void exception(struct frame *frame)
{
    uintptr_t address = 0;
    enum fault kind = FAULT_OTHER;

    if (frame->vector >= EXCEPTIONS) {
        unsigned interrupt = (unsigned)frame->vector - VECTOR_FIRST;
        interrupt_taken(interrupt < INTERRUPT_SPURIOUS ? interrupt : INTERRUPT_SPURIOUS);
        if (interrupt < INTERRUPT_SPURIOUS)
            apic_write(APIC_END, 0);
        return;
    }
    if (frame->vector == EXCEPTION_BREAKPOINT) {
        kind = FAULT_BREAKPOINT;
        /* The address that is pushed is that of the next instruction. */
        frame->instruction--;
    } else if (frame->vector == EXCEPTION_INSTRUCTION) {
        kind = FAULT_INSTRUCTION;
    } else if (frame->vector == EXCEPTION_PAGE) {
        __asm__ volatile("movq %%cr2, %0" : "=r"(address));
        kind = frame->code & CODE_FETCH ? FAULT_EXECUTE : frame->code & CODE_WRITE ? FAULT_WRITE : FAULT_READ;
    }
    frame->instruction = fault_taken(kind, address, frame->instruction);
}

void undefined_instruction(void *ignored)
{
    (void)ignored;
    __asm__ volatile("ud2");
}

void breakpoint(void *ignored)
{
    (void)ignored;
    __asm__ volatile("int3");
}
