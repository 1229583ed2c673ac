/* What a directory of an architecture defines for `lib/`, in addition to what `kiln.h` declares. */

#ifndef ARCH_H
#define ARCH_H

#include "kiln.h"

/* Prepares console, exceptions and interrupts. */
void arch_start(void);
/* The command line that QEMU was given. */
const char *arch_command_line(void);
void arch_put(char character);
/* Ends QEMU, with the status where the machine can carry one. */
_Noreturn void arch_exit(int status);

uint32_t arch_pci_read(unsigned function, unsigned offset, unsigned size);
void arch_pci_write(unsigned function, unsigned offset, unsigned size, uint32_t value);
/* Prepares the function's messages: where they are written to, and what. False where the firmware has
 * done both. */
bool arch_pci_message(unsigned function, uint64_t *address, uint32_t *data);
/* Memory that PCI functions can be given: where it is for the processor, and what the bus calls it. */
struct pci_window {
    uintptr_t start;
    uint64_t bus;
    uint64_t size;
};
struct pci_window arch_pci_window(void);

/* Called by `lib/start.S` of an architecture, with a stack. */
_Noreturn void start(void);
/* An exception that was taken: where the processor is to continue. */
uintptr_t fault_taken(enum fault kind, uintptr_t address, uintptr_t instruction);
/* An interrupt that was taken. */
void interrupt_taken(enum interrupt interrupt);
/* A number of ticks of one frequency in those of another, without a product of more than 64 bits. */
static inline uint64_t scaled(uint64_t ticks, uint64_t from_hertz, uint64_t to_hertz)
{
    return ticks / from_hertz * to_hertz + ticks % from_hertz * to_hertz / from_hertz;
}
/* The next page of zeros for page tables. */
void *page_allocate(void);

#endif
