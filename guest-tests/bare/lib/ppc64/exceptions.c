/* Exceptions and interrupts of the Power ISA, and XICS, the interrupt controller of PAPR. */

#include "cpu.h"

/* What start.S saves. */
struct frame {
    uint64_t registers[14];
    uint64_t unused[5];
    uint64_t condition, link, count, fixed_point;
    uint64_t instruction, state;
    uint64_t vector;
};

/* Vectors (Power ISA, book III, "Interrupt Definitions"), each with 32 bytes. */
enum {
    VECTOR_DATA = 0x300,
    VECTOR_FETCH = 0x400,
    VECTOR_EXTERNAL = 0x500,
    VECTOR_PROGRAM = 0x700,
    VECTOR_DECREMENTER = 0x900,
    VECTOR_ASSISTANCE = 0xe40,
    VECTORS_BEGIN = 0x100,
    VECTORS_END = 0x2000,
    VECTOR_SIZE = 0x20,
};
#define STATE_TRAP 0x20000
#define STATUS_STORE 0x02000000
#define NUMBER_IPI 2
#define NUMBER_MASK 0xffffff
/* A smaller number is more urgent. */
enum { PRIORITY_ANY = 0xff, PRIORITY = 4, PRIORITY_NONE = 0xff };
#define DECREMENTER_LONGEST 0x7fffffff

extern uint32_t vector_stub[3];
static uint32_t message;
static bool is_timer_on;

void exceptions_start(void)
{
    for (uintptr_t vector = VECTORS_BEGIN; vector < VECTORS_END; vector += VECTOR_SIZE) {
        volatile uint32_t *code = (volatile uint32_t *)vector;
        code[0] = vector_stub[0];
        code[1] = vector_stub[1] | (uint32_t)vector;
        code[2] = vector_stub[2];
        __asm__ volatile("dcbst 0, %0; sync; icbi 0, %0; isync" : : "r"(vector) : "memory");
    }
}

static void external(void)
{
    uint64_t found = 0;

    hypervisor_call(H_XIRR, (uint64_t[4]){0}, &found);
    uint32_t number = (uint32_t)found & NUMBER_MASK;
    if (!number) {
        interrupt_taken(INTERRUPT_SPURIOUS);
        return;
    }
    if (number == NUMBER_IPI)
        hypervisor_call(H_IPI, (uint64_t[4]){machine.server[processor_number()], PRIORITY_NONE}, NULL);
    interrupt_taken(number == NUMBER_IPI ? INTERRUPT_IPI : number == message ? INTERRUPT_MESSAGE : INTERRUPT_SPURIOUS);
    hypervisor_call(H_EOI, (uint64_t[4]){found}, NULL);
}

void exception(struct frame *frame)
{
    enum fault kind = FAULT_OTHER;
    uintptr_t address = 0;

    switch (frame->vector) {
    case VECTOR_EXTERNAL:
        external();
        return;
    case VECTOR_DECREMENTER:
        /* It counts on below zero, and interrupts until it is set. */
        if (is_timer_on)
            interrupt_taken(INTERRUPT_TIMER);
        timer_stop();
        return;
    case VECTOR_DATA:
        kind = READ(DSISR) & STATUS_STORE ? FAULT_WRITE : FAULT_READ;
        address = READ(DAR);
        break;
    case VECTOR_FETCH:
        kind = FAULT_EXECUTE;
        address = frame->instruction;
        break;
    case VECTOR_PROGRAM:
        kind = frame->state & STATE_TRAP ? FAULT_BREAKPOINT : FAULT_INSTRUCTION;
        break;
    case VECTOR_ASSISTANCE:
        kind = FAULT_INSTRUCTION;
        break;
    }
    frame->instruction = fault_taken(kind, address, frame->instruction);
    /* A function finds its table of contents by the address it is called at. */
    frame->registers[12] = frame->instruction;
}

void undefined_instruction(void *ignored)
{
    (void)ignored;
    __asm__ volatile(".long 0");
}

void breakpoint(void *ignored)
{
    (void)ignored;
    __asm__ volatile("trap");
}

void interrupts_on(void)
{
    __asm__ volatile("mtmsrd %0, 1" : : "r"(machine_state() | MSR_EXTERNAL) : "memory");
}

void interrupts_off(void)
{
    __asm__ volatile("mtmsrd %0, 1" : : "r"(machine_state() & ~MSR_EXTERNAL) : "memory");
}

void interrupts_hold(bool hold)
{
    hypervisor_call(H_CPPR, (uint64_t[4]){hold ? PRIORITY : PRIORITY_ANY}, NULL);
}

void interrupt_send(unsigned processor)
{
    __asm__ volatile("sync" : : : "memory");
    hypervisor_call(H_IPI, (uint64_t[4]){machine.server[processor], PRIORITY}, NULL);
}

uint64_t nanoseconds(void)
{
    return scaled(READ(TIME_BASE), machine.timebase_hertz, 1000000000);
}

void timer_start(uint64_t time)
{
    is_timer_on = true;
    WRITE(DECREMENTER, scaled(time, 1000000000, machine.timebase_hertz));
}

void timer_stop(void)
{
    is_timer_on = false;
    WRITE(DECREMENTER, DECREMENTER_LONGEST);
}

void processor_begin(unsigned number)
{
    WRITE(OWN_NUMBER, number);
    WRITE(DECREMENTER, DECREMENTER_LONGEST);
    interrupts_hold(false);
}

/* The firmware gives the function address and data of its message. */
bool arch_pci_message(unsigned function, uint64_t *address, uint32_t *data)
{
    const uint32_t change[6] = {function << 8, machine.bridge[0], machine.bridge[1], 3, 1, 0};
    const uint32_t source[4] = {function << 8, machine.bridge[0], machine.bridge[1], 0};
    uint32_t results[3];

    (void)address, (void)data;
    if (rtas(RTAS_CHANGE_MSI, 6, 4, change, results) || results[0] != 1)
        fail("ibm,change-msi is refused");
    if (rtas(RTAS_INTERRUPT_SOURCE, 4, 3, source, results))
        fail("ibm,query-interrupt-source-number is refused");
    message = results[0];
    if (rtas(RTAS_SET_XIVE, 3, 1, (uint32_t[]){message, machine.server[0], PRIORITY}, results))
        fail("ibm,set-xive is refused");
    return false;
}
