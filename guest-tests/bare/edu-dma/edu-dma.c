/* DMA of QEMU's device for teaching, by docs/specs/edu.rst: memory to its buffer and back. */

#include "edu.h"

enum { DMA_START = 1, DMA_TO_MEMORY = 2 };
/* QEMU 7.2 ends with an error at a transfer to the end of its buffer. */
#define SIZE (PAGE_SIZE / 2)

static unsigned char memory[2][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* Whether the device completes a transfer. */
static bool transfer(uint64_t source, uint64_t destination, unsigned size, unsigned direction)
{
    edu_write(EDU_DMA_SOURCE, 8, source);
    edu_write(EDU_DMA_DESTINATION, 8, destination);
    edu_write(EDU_DMA_COUNT, 8, size);
    edu_write(EDU_DMA_COMMAND, 4, DMA_START | direction);
    return WAIT_FOR(!(edu_read(EDU_DMA_COMMAND, 4) & DMA_START));
}

void test(void)
{
    unsigned device = edu_open();

    uint64_t from = dma_address(memory[0], PAGE_SIZE), to = dma_address(memory[1], PAGE_SIZE);
    for (unsigned index = 0; index < PAGE_SIZE; index++)
        memory[0][index] = (unsigned char)random_number();

    check("half a page to the device", transfer(from, EDU_BUFFER, SIZE, 0));
    check("half a page from the device", transfer(EDU_BUFFER, to, SIZE, DMA_TO_MEMORY));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    check_equal("the difference", (uint64_t)memcmp(memory[0], memory[1], SIZE), 0);
    check_equal("the byte after them", memory[1][SIZE], 0);

    memset(memory[1], 0, PAGE_SIZE);
    check("some bytes from the device", transfer(EDU_BUFFER + 100, to + 10, 20, DMA_TO_MEMORY));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    check_equal("their difference", (uint64_t)memcmp(memory[0] + 100, memory[1] + 10, 20), 0);
    check_equal("the byte before", memory[1][9], 0);
    check_equal("the byte after", memory[1][30], 0);

    memset(memory[1], 0, PAGE_SIZE);
    pci_write(device, 4, 2, pci_read(device, 4, 2) & ~4u);
    check("a transfer of a device that is no bus master", transfer(EDU_BUFFER, to, SIZE, DMA_TO_MEMORY));
    unsigned written = 0;
    for (unsigned index = 0; index < PAGE_SIZE; index++)
        written += memory[1][index] != 0;
    check_equal("bytes that it wrote", written, 0);
}
