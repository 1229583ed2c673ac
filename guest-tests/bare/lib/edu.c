/* QEMU's device for teaching. In some versions of QEMU its registers have the byte order of the target, in
 * others they are little-endian. The identification shows which. */

#include "edu.h"

#define IDENTIFICATION_LOW 0xed

static uintptr_t region;
static bool is_swapped;

unsigned edu_open(void)
{
    unsigned device = pci_find(EDU_VENDOR, EDU_DEVICE);

    if (device == PCI_NONE)
        fail("the device is not found");
    region = pci_map(device, 0);
    is_swapped = mmio_read(region + EDU_IDENTIFICATION, 4) >> 24 == IDENTIFICATION_LOW;
    return device;
}

static uint64_t in_order(uint64_t value, unsigned size)
{
    if (!is_swapped)
        return value;
    return size == 8 ? __builtin_bswap64(value) : __builtin_bswap32((uint32_t)value);
}

uint64_t edu_read(unsigned offset, unsigned size)
{
    return in_order(mmio_read(region + offset, size), size);
}

void edu_write(unsigned offset, unsigned size, uint64_t value)
{
    mmio_write(region + offset, size, in_order(value, size));
}
