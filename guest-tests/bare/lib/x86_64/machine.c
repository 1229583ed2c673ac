/* Console, command line and exit of a PC. */

#include "cpu.h"

/* The first serial port, a 16550. */
enum { SERIAL = 0x3f8, SERIAL_STATUS = SERIAL + 5, SERIAL_EMPTY = 0x20 };
/* `isa-debug-exit` at the address that images/x86_64.toml gives it. */
#define EXIT 0xf4

/* `struct hvm_start_info` of the PVH boot ABI. */
struct start_information {
    uint32_t magic, version, flags, modules;
    uint64_t module_list, command_line, acpi;
};

extern uint32_t start_information;

void arch_start(void)
{
    exceptions_start();
    apic_start();
    clock_start();
}

const char *arch_command_line(void)
{
    const struct start_information *information = (void *)(uintptr_t)start_information;

    return information->command_line ? (const char *)information->command_line : "";
}

void arch_put(char character)
{
    while (!(in8(SERIAL_STATUS) & SERIAL_EMPTY))
        ;
    out8(SERIAL, (uint8_t)character);
}

_Noreturn void arch_exit(int status)
{
    out32(EXIT, (uint32_t)status);
    for (;;)
        __asm__ volatile("cli; hlt");
}

uint64_t mmio_read(uintptr_t address, unsigned size)
{
    switch (size) {
    case 1:
        return *(volatile uint8_t *)address;
    case 2:
        return *(volatile uint16_t *)address;
    case 4:
        return *(volatile uint32_t *)address;
    default:
        return *(volatile uint64_t *)address;
    }
}

void mmio_write(uintptr_t address, unsigned size, uint64_t value)
{
    switch (size) {
    case 1:
        *(volatile uint8_t *)address = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)address = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)address = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)address = value;
    }
}
