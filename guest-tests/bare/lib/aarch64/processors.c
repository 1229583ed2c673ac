/* The other processors, which the firmware starts. */

#include "cpu.h"

#define PROCESSORS 8
#define STACK 8192
enum { PSCI_CPU_ON = 0xc4000003 };

extern char processor_entry[];
static unsigned char stacks[PROCESSORS][STACK] __attribute__((aligned(16)));
static void (*processor_function)(void);
static bool is_taken;

unsigned processors(void)
{
    return tree_count("device_type", "cpu");
}

unsigned processor_number(void)
{
    return READ(mpidr_el1) & 0xff;
}

void processor_relax(void)
{
    __asm__ volatile("yield" : : : "memory");
}

_Noreturn void processor_main(void)
{
    void (*function)(void) = LOAD_ACQUIRE(processor_function);

    STORE_RELEASE(is_taken, true);
    interrupts_start();
    function();
    for (;;)
        __asm__ volatile("wfi");
}

void processor_start(unsigned processor, void (*function)(void))
{
    if (processor >= PROCESSORS)
        fail("processor_start: too many processors");
    STORE(is_taken, false);
    STORE_RELEASE(processor_function, function);
    uintptr_t stack = (uintptr_t)stacks[processor] + STACK;
    if (firmware_call((uint32_t)PSCI_CPU_ON, processor, (uintptr_t)processor_entry, stack))
        fail("processor_start: refused by the firmware");
    if (!WAIT_FOR(LOAD_ACQUIRE(is_taken)))
        fail("processor_start: the processor did not start");
}
