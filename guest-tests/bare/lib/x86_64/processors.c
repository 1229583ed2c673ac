/* The other processors, which are woken by INIT and startup interrupts. */

#include "cpu.h"

/* Below 1 MiB, at a page. */
#define PROCESSOR_ENTRY 0x8000
#define PROCESSORS 8
#define STACK 8192

/* Selector and data port of QEMU's firmware configuration (docs/specs/fw_cfg), and the number of
 * processors in it. */
enum { CONFIGURATION_SELECTOR = 0x510, CONFIGURATION_DATA = 0x511, CONFIGURATION_PROCESSORS = 0x05 };
enum { COMMAND_INIT = 0x4500, COMMAND_STARTUP = 0x4600 };

extern char processor_entry[], processor_entry_end[];
uint64_t processor_stack;
static unsigned char stacks[PROCESSORS][STACK] __attribute__((aligned(16)));
static void (*volatile processor_function)(void);
static bool is_taken;

unsigned processors(void)
{
    out16(CONFIGURATION_SELECTOR, CONFIGURATION_PROCESSORS);
    unsigned low = in8(CONFIGURATION_DATA);

    return low | (unsigned)in8(CONFIGURATION_DATA) << 8;
}

unsigned processor_number(void)
{
    return apic_read(APIC_ID) >> 24;
}

void processor_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

_Noreturn void processor_main(void)
{
    void (*function)(void) = processor_function;

    STORE_RELEASE(is_taken, true);
    exceptions_start();
    apic_start();
    function();
    for (;;)
        __asm__ volatile("hlt");
}

void processor_start(unsigned processor, void (*function)(void))
{
    if (processor >= PROCESSORS)
        fail("processor_start: too many processors");
    memcpy((void *)PROCESSOR_ENTRY, processor_entry, (size_t)(processor_entry_end - processor_entry));
    processor_stack = (uintptr_t)stacks[processor] + STACK;
    processor_function = function;
    is_taken = false;
    __asm__ volatile("" : : : "memory");
    apic_write(APIC_COMMAND_HIGH, processor << 24);
    apic_write(APIC_COMMAND, COMMAND_INIT);
    uint64_t end = nanoseconds() + 10000000;
    while (nanoseconds() < end)
        processor_relax();
    apic_write(APIC_COMMAND_HIGH, processor << 24);
    apic_write(APIC_COMMAND, COMMAND_STARTUP | (PROCESSOR_ENTRY >> 12));
    if (!WAIT_FOR(LOAD_ACQUIRE(is_taken)))
        fail("processor_start: the processor did not start");
}
