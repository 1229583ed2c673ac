/* PCI configuration space in memory (ECAM). */

#include "cpu.h"

#define HOST "pci-host-ecam-generic"
/* The kind of a range (IEEE 1275, PCI bus binding): memory with 32 bits. */
#define RANGE_KIND 0x03000000
#define RANGE_MEMORY 0x02000000
/* Cells of a range: three of the bus, two of the processor, two of the size. */
#define RANGE_CELLS 7

static uintptr_t place(unsigned function, unsigned offset)
{
    static uintptr_t base;

    if (!base)
        base = tree_cells(tree_property(HOST, "reg"), 0);
    return base + (function << 12) + offset;
}

uint32_t arch_pci_read(unsigned function, unsigned offset, unsigned size)
{
    return (uint32_t)mmio_read(place(function, offset), size);
}

void arch_pci_write(unsigned function, unsigned offset, unsigned size, uint32_t value)
{
    mmio_write(place(function, offset), size, value);
}

struct pci_window arch_pci_window(void)
{
    struct property ranges = tree_property(HOST, "ranges");

    for (unsigned cell = 0; 4 * cell < ranges.size; cell += RANGE_CELLS) {
        if ((tree_cell(ranges, cell) & RANGE_KIND) == RANGE_MEMORY)
            return (struct pci_window){
                .bus = tree_cells(ranges, cell + 1),
                .start = tree_cells(ranges, cell + 3),
                .size = tree_cells(ranges, cell + 5),
            };
    }
    fail("the PCI host has no memory");
}
