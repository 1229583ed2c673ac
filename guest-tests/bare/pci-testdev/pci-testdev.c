/* QEMU's test device, by docs/specs/pci-testdev.rst: each write to the place that a test names is counted. */

#include "kiln.h"

enum { TESTDEV_VENDOR = 0x1b36, TESTDEV_DEVICE = 0x0005 };
enum { TEST = 0, WIDTH = 1, OFFSET = 4, DATA = 8, COUNT = 12, NAME = 16, NAME_MOST = 32 };
enum { WRITES = 100, TESTS_MOST = 16 };

void test(void)
{
    unsigned device = pci_find(TESTDEV_VENDOR, TESTDEV_DEVICE);

    if (!check("the device is found", device != PCI_NONE))
        return;
    uintptr_t region = pci_map(device, 0);
    unsigned count;
    for (count = 0; count < TESTS_MOST; count++) {
        char name[NAME_MOST + 1] = "";

        mmio_write(region + TEST, 1, count);
        for (unsigned index = 0; index < NAME_MOST; index++) {
            name[index] = (char)mmio_read(region + NAME + index, 1);
            if (!name[index])
                break;
        }
        if (!name[0])
            break;
        print("test %u: %s\n", count, name);
        unsigned width = (unsigned)mmio_read(region + WIDTH, 1);
        uintptr_t at = region + (uintptr_t)mmio_read(region + OFFSET, 4);
        uint64_t data = mmio_read(region + DATA, 4);
        check(name, width == 1 || width == 2 || width == 4);
        check_equal("the count at first", mmio_read(region + COUNT, 4), 0);
        for (unsigned write = 0; write < WRITES; write++)
            mmio_write(at, width, data);
        uint64_t counted = mmio_read(region + COUNT, 4);
        /* A write that only signals an eventfd does not reach the counter. */
        bool may_signal = strcmp(name, "mmio-no-eventfd") != 0;
        check_equal("every write is counted", may_signal && !counted ? WRITES : counted, WRITES);
        mmio_write(region + TEST, 1, count);
        check_equal("a test that begins again", mmio_read(region + COUNT, 4), 0);
    }
    check("it has tests", count > 0);
    check("it has an end", count < TESTS_MOST);
}
