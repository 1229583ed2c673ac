/* PCI functions on bus 0, by configuration space alone. */

#include "arch.h"

#define COMMAND 0x04
#define COMMAND_MEMORY_AND_MASTER 0x06
#define BAR(n) (0x10 + 4 * (n))
#define BAR_IO 1
#define BAR_TYPE 0x06
#define BAR_64 0x04
#define CAPABILITIES 0x34
#define STATUS 0x06
#define STATUS_CAPABILITIES 0x10
#define MSI 0x05
#define MSI_ENABLE 1
#define MSI_64 0x80

uint32_t pci_read(unsigned function, unsigned offset, unsigned size)
{
    return arch_pci_read(function, offset, size);
}

void pci_write(unsigned function, unsigned offset, unsigned size, uint32_t value)
{
    arch_pci_write(function, offset, size, value);
}

unsigned pci_find(uint16_t vendor, uint16_t device)
{
    for (unsigned function = 0; function < 256; function++) {
        if (pci_read(function, 0, 2) == vendor && pci_read(function, 2, 2) == device)
            return function;
    }
    return PCI_NONE;
}

uint64_t pci_bar_size(unsigned function, unsigned bar)
{
    uint32_t command = pci_read(function, COMMAND, 2);
    uint32_t before = pci_read(function, BAR(bar), 4);

    /* While the size is read, the function must not answer at that address. */
    pci_write(function, COMMAND, 2, command & ~3u);
    pci_write(function, BAR(bar), 4, ~0u);
    uint32_t mask = pci_read(function, BAR(bar), 4);
    pci_write(function, BAR(bar), 4, before);
    pci_write(function, COMMAND, 2, command);
    mask &= before & BAR_IO ? ~3u : ~15u;
    return mask ? (uint32_t)(~mask + 1) : 0;
}

uintptr_t pci_map(unsigned function, unsigned bar)
{
    static uint64_t used;
    struct pci_window window = arch_pci_window();
    uint32_t value = pci_read(function, BAR(bar), 4);
    uint64_t address = value & ~15u;

    if (value & BAR_IO)
        fail("pci_map: not a memory region");
    if (!address) {
        uint64_t size = pci_bar_size(function, bar);
        used = (used + size - 1) & ~(size - 1);
        if (!size || used + size > window.size)
            fail("pci_map: no space for the region");
        address = window.bus + used;
        used += size;
        pci_write(function, BAR(bar), 4, (uint32_t)address);
        if ((value & BAR_TYPE) == BAR_64)
            pci_write(function, BAR(bar + 1), 4, (uint32_t)(address >> 32));
    }
    uint32_t command = pci_read(function, COMMAND, 2);
    pci_write(function, COMMAND, 2, command | COMMAND_MEMORY_AND_MASTER);
    return window.start + (address - window.bus);
}

unsigned pci_capability(unsigned function, uint8_t id)
{
    if (!(pci_read(function, STATUS, 2) & STATUS_CAPABILITIES))
        return 0;
    unsigned at = pci_read(function, CAPABILITIES, 1);
    for (unsigned seen = 0; at && seen < 48; seen++) {
        if (pci_read(function, at, 1) == id)
            return at;
        at = pci_read(function, at + 1, 1);
    }
    return 0;
}

bool pci_messages_on(unsigned function)
{
    unsigned at = pci_capability(function, MSI);
    uint64_t address;
    uint32_t data;

    if (!at)
        return false;
    uint32_t control = pci_read(function, at + 2, 2);
    if (arch_pci_message(function, &address, &data)) {
        pci_write(function, at + 4, 4, (uint32_t)address);
        if (control & MSI_64)
            pci_write(function, at + 8, 4, (uint32_t)(address >> 32));
        pci_write(function, at + (control & MSI_64 ? 12 : 8), 2, data);
    }
    pci_write(function, at + 2, 2, (control & ~0x70u) | MSI_ENABLE);
    return true;
}
