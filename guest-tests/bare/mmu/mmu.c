/* Pages: what they map, what they allow, and that changes are seen. */

#include "kiln.h"

static unsigned char memory[2][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static void load(void *address)
{
    (void)*(volatile char *)address;
}

static void store(void *address)
{
    *(volatile char *)address = 1;
}

static void execute(void *address)
{
    ((void (*)(void))address)();
}

static volatile uint64_t *at(uintptr_t address)
{
    return (volatile uint64_t *)address;
}

void test(void)
{
    const uintptr_t first = MMU_WINDOW, second = MMU_WINDOW + 512 * PAGE_SIZE;
    const uintptr_t pages[] = {(uintptr_t)memory[0], (uintptr_t)memory[1]};

    mmu_start();
    check_equal("data stays where it is", catch_fault(load, memory).kind, FAULT_NONE);

    mmu_map(first, pages[0], MMU_READ | MMU_WRITE);
    mmu_map(second, pages[0], MMU_READ | MMU_WRITE);
    *at(first + 8) = 0x1122334455667788;
    check_equal("two pages with one memory", *at(second + 8), 0x1122334455667788);
    check_equal("the memory itself", *at(pages[0] + 8), 0x1122334455667788);

    *at(pages[1] + 8) = 42;
    mmu_map(second, pages[1], MMU_READ | MMU_WRITE);
    check_equal("a page that was mapped anew", *at(second + 8), 42);
    check_equal("the other page is as before", *at(first + 8), 0x1122334455667788);

    mmu_map(first, pages[0], MMU_READ);
    check_equal("a load from a read-only page", catch_fault(load, (void *)first).kind, FAULT_NONE);
    struct caught caught = catch_fault(store, (void *)(first + 9));
    check_equal("a store to a read-only page", caught.kind, FAULT_WRITE);
    check_equal("the address of that store", caught.address, first + 9);
    check_equal("the page is unchanged", *at(pages[0] + 8), 0x1122334455667788);

    mmu_map(first, pages[0], MMU_READ | MMU_WRITE);
    check_equal("a store after the page became writable", catch_fault(store, (void *)(first + 16)).kind, FAULT_NONE);

    caught = catch_fault(execute, (void *)first);
    check_equal("execution of a page of data", caught.kind, FAULT_EXECUTE);

    mmu_unmap(first);
    caught = catch_fault(load, (void *)(first + PAGE_SIZE - 1));
    check_equal("a load from a page that was unmapped", caught.kind, FAULT_READ);
    check_equal("the address of that load", caught.address, first + PAGE_SIZE - 1);
    check_equal("the other page is still mapped", *at(second + 8), 42);

    unsigned wrong = 0;
    for (unsigned count = 0; count < 500; count++) {
        unsigned page = random_number() % 2;
        mmu_map(first, pages[page], MMU_READ | MMU_WRITE);
        *at(first + 24) = count;
        wrong += *at(pages[page] + 24) != count;
    }
    check_equal("wrong ones of 500 mappings", wrong, 0);
}
