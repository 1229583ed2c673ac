/* Console, command line and power of a machine that its device tree describes. */

#include "cpu.h"

/* QEMU's documentation of the machine `virt`: a program that is not Linux finds the tree here. */
#define TREE 0x40000000
/* Registers of the PL011. */
enum { SERIAL_DATA = 0x00, SERIAL_FLAGS = 0x18, SERIAL_FULL = 0x20 };
/* PSCI (Arm DEN0022). */
enum { PSCI_SYSTEM_OFF = 0x84000008 };

static uintptr_t serial;
static bool is_secure_call;

void arch_start(void)
{
    if (!tree_open((const void *)TREE))
        for (;;)
            processor_relax();
    serial = tree_cells(tree_property("arm,pl011", "reg"), 0);
    const char *method = tree_property("arm,psci-0.2", "method").value;
    is_secure_call = method && strcmp(method, "smc") == 0;
    interrupts_start();
}

const char *arch_command_line(void)
{
    const char *line = tree_property("chosen", "bootargs").value;

    return line ? line : "";
}

void arch_put(char character)
{
    while (device_read(serial + SERIAL_FLAGS) & SERIAL_FULL)
        ;
    device_write(serial + SERIAL_DATA, (unsigned char)character);
}

int64_t firmware_call(uint32_t function, uint64_t first, uint64_t second, uint64_t third)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = first;
    register uint64_t x2 __asm__("x2") = second;
    register uint64_t x3 __asm__("x3") = third;

    if (is_secure_call)
        __asm__ volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
    else
        __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
    return (int64_t)x0;
}

/* The status is in the line that was printed last. */
_Noreturn void arch_exit(int status)
{
    (void)status;
    firmware_call(PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;)
        processor_relax();
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
    /* What was stored in memory is there before the device can look. */
    __asm__ volatile("dsb sy" : : : "memory");
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

uint64_t dma_address(void *memory, size_t size)
{
    (void)size;
    return (uintptr_t)memory;
}
