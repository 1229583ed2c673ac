/* Functions on bus 0 are found, and their configuration registers behave as the PCI specification says. */

#include "edu.h"

enum { VENDOR = 0, COMMAND = 4, REVISION_CLASS = 8, HEADER_TYPE = 14, BAR_0 = 16, LINE = 0x3c };

void test(void)
{
    unsigned found = 0, without_class = 0;

    for (unsigned function = 0; function < 256; function++) {
        uint32_t identifiers = pci_read(function, VENDOR, 4);
        if ((identifiers & 0xffff) == 0xffff)
            continue;
        uint32_t class = pci_read(function, REVISION_CLASS, 4) >> 8;
        print("function %x: %x, class %x\n", function, identifiers, class);
        found++;
        /* A class of 0 is that of devices from before the class codes. */
        without_class += class == 0;
    }
    check("functions are found", found > 0);
    check_equal("functions without a class", without_class, 0);

    unsigned edu = pci_find(EDU_VENDOR, EDU_DEVICE);
    if (!check("a device of the command line is found", edu != PCI_NONE))
        return;
    check_equal("a register by bytes", pci_read(edu, VENDOR, 1) | pci_read(edu, VENDOR + 1, 1) << 8, EDU_VENDOR);
    check_equal("a register by words", pci_read(edu, VENDOR + 2, 2), EDU_DEVICE);
    check_equal("both in one read", pci_read(edu, VENDOR, 4), EDU_DEVICE << 16 | EDU_VENDOR);

    pci_write(edu, VENDOR, 4, 0);
    check_equal("identifiers cannot be written", pci_read(edu, VENDOR, 4), EDU_DEVICE << 16 | EDU_VENDOR);
    check_equal("the size of its region", pci_bar_size(edu, 0), 1 << 20);
    check_equal("a region that it does not have", pci_bar_size(edu, 2), 0);
    check("the region is aligned to its size", (pci_read(edu, BAR_0, 4) & 0xffff0) == 0);

    pci_write(edu, LINE, 1, 0xa5);
    check_equal("the interrupt line is a register for software", pci_read(edu, LINE, 1), 0xa5);
    pci_write(edu, COMMAND, 2, 6);
    check_equal("memory and bus master are on", pci_read(edu, COMMAND, 2) & 7, 6);
    pci_write(edu, COMMAND, 2, 0);
    check_equal("and off", pci_read(edu, COMMAND, 2) & 7, 0);

    unsigned absent = edu | 7;
    check_equal("a function that does not exist reads as ones", pci_read(absent, VENDOR, 4), 0xffffffff);
    pci_write(absent, BAR_0, 4, 0);
    check_equal("also after a write", pci_read(absent, BAR_0, 4), 0xffffffff);
}
