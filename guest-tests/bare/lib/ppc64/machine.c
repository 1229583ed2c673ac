/* Console, command line and power of a logical partition, and its PCI host bridge. */

#include "cpu.h"

void arch_start(void)
{
    firmware_read();
    exceptions_start();
    processor_begin(0);
}

const char *arch_command_line(void)
{
    return machine.command_line;
}

void arch_put(char character)
{
    const uint64_t arguments[4] = {machine.terminal, 1, (uint64_t)(unsigned char)character << 56, 0};

    /* The terminal may be busy. */
    while (hypervisor_call(H_PUT_TERM_CHAR, arguments, NULL) > 0)
        ;
}

/* The status is in the line that was printed last. */
_Noreturn void arch_exit(int status)
{
    (void)status;
    rtas(RTAS_POWER_OFF, 2, 1, (uint32_t[]){0, 0}, NULL);
    for (;;)
        processor_relax();
}

uint64_t mmio_read(uintptr_t address, unsigned size)
{
    uint64_t value;

    __asm__ volatile("sync" : : : "memory");
    switch (size) {
    case 1:
        value = *(volatile uint8_t *)address;
        break;
    case 2:
        value = __builtin_bswap16(*(volatile uint16_t *)address);
        break;
    case 4:
        value = __builtin_bswap32(*(volatile uint32_t *)address);
        break;
    default:
        value = __builtin_bswap64(*(volatile uint64_t *)address);
    }
    __asm__ volatile("sync" : : : "memory");
    return value;
}

void mmio_write(uintptr_t address, unsigned size, uint64_t value)
{
    __asm__ volatile("sync" : : : "memory");
    switch (size) {
    case 1:
        *(volatile uint8_t *)address = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)address = __builtin_bswap16((uint16_t)value);
        break;
    case 4:
        *(volatile uint32_t *)address = __builtin_bswap32((uint32_t)value);
        break;
    default:
        *(volatile uint64_t *)address = __builtin_bswap64(value);
    }
}

uint32_t arch_pci_read(unsigned function, unsigned offset, unsigned size)
{
    const uint32_t arguments[4] = {function << 8 | offset, machine.bridge[0], machine.bridge[1], size};
    uint32_t value = ~0u >> (32 - 8 * size);

    /* A function that does not exist is an error, with a value of ones. */
    if (rtas(RTAS_READ_CONFIGURATION, 4, 2, arguments, &value))
        return ~0u >> (32 - 8 * size);
    return value;
}

void arch_pci_write(unsigned function, unsigned offset, unsigned size, uint32_t value)
{
    const uint32_t arguments[5] = {function << 8 | offset, machine.bridge[0], machine.bridge[1], size, value};

    rtas(RTAS_WRITE_CONFIGURATION, 5, 1, arguments, NULL);
}

struct pci_window arch_pci_window(void)
{
    return machine.window;
}

/* A page of the bridge's window for DMA becomes that memory. */
uint64_t dma_address(void *memory, size_t size)
{
    static uint64_t used;
    uint64_t at = machine.dma_start + used, page = (uintptr_t)memory & ~(PAGE_SIZE - 1ull);

    (void)size;
    if (hypervisor_call(H_PUT_TCE, (uint64_t[4]){machine.dma_window, at, page | 3}, NULL))
        fail("H_PUT_TCE is refused");
    used += PAGE_SIZE;
    return at + ((uintptr_t)memory & (PAGE_SIZE - 1));
}
