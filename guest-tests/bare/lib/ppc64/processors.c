/* The other processors, which RTAS starts. */

#include "cpu.h"

#define PROCESSORS 8
#define STACK 16384

extern char processor_entry[];
static unsigned char stacks[PROCESSORS][STACK] __attribute__((aligned(16)));
static void (*processor_function)(void);
static unsigned started;
static bool is_taken;

unsigned processors(void)
{
    return machine.processors;
}

unsigned processor_number(void)
{
    return (unsigned)READ(OWN_NUMBER);
}

void processor_relax(void)
{
    /* Lowers the priority of a thread, and raises it again. */
    __asm__ volatile("or 31, 31, 31; or 2, 2, 2" : : : "memory");
}

_Noreturn void processor_main(void)
{
    void (*function)(void) = LOAD_ACQUIRE(processor_function);

    processor_begin(started);
    STORE_RELEASE(is_taken, true);
    function();
    for (;;)
        processor_relax();
}

void processor_start(unsigned processor, void (*function)(void))
{
    if (processor >= machine.processors)
        fail("processor_start: unknown processor");
    STORE(is_taken, false);
    STORE(started, processor);
    STORE_RELEASE(processor_function, function);
    uintptr_t stack = (uintptr_t)stacks[processor] + STACK - 64;
    const uint32_t arguments[3] = {
        machine.server[processor], (uint32_t)(uintptr_t)processor_entry, (uint32_t)stack};
    if (rtas(RTAS_START_CPU, 3, 1, arguments, NULL))
        fail("processor_start: refused by the firmware");
    if (!WAIT_FOR(LOAD_ACQUIRE(is_taken)))
        fail("processor_start: the processor did not start");
}
