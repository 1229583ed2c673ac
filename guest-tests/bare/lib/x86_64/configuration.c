/* PCI configuration space through the two ports of a PC. */

#include "cpu.h"

enum { CONFIGURATION_ADDRESS = 0xcf8, CONFIGURATION_DATA = 0xcfc };

static uint16_t select(unsigned function, unsigned offset)
{
    out32(CONFIGURATION_ADDRESS, 0x80000000u | function << 8 | (offset & 0xfc));
    return (uint16_t)(CONFIGURATION_DATA + (offset & 3));
}

uint32_t arch_pci_read(unsigned function, unsigned offset, unsigned size)
{
    uint16_t port = select(function, offset);

    return size == 1 ? in8(port) : size == 2 ? in16(port) : in32(port);
}

void arch_pci_write(unsigned function, unsigned offset, unsigned size, uint32_t value)
{
    uint16_t port = select(function, offset);

    if (size == 1)
        out8(port, (uint8_t)value);
    else if (size == 2)
        out16(port, (uint16_t)value);
    else
        out32(port, value);
}

/* The firmware has given every function its place; this is a hole for others. */
struct pci_window arch_pci_window(void)
{
    return (struct pci_window){.start = 0xe0000000, .bus = 0xe0000000, .size = 0x10000000};
}
