/* What a bare-metal test calls. A test defines `test` and includes this header. */

#ifndef KILN_H
#define KILN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The test itself: `lib/main.c` calls it on the first processor, with interrupts off. */
void test(void);

/* Prints text: %s, %c, %d, %u, %x and %%, also with `l`. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Checks. Each prints one line, which is a subtest; the test fails if one does not hold. */
bool check(const char *name, bool holds);
bool check_equal(const char *name, uint64_t found, uint64_t expected);

/* Ends the test: it cannot run here, or it has failed. */
_Noreturn void skip(const char *reason);
_Noreturn void fail(const char *cause);

/* The value of `NAME=value` in the command line, or `otherwise`. */
uint64_t parameter(const char *name, uint64_t otherwise);
/* The next pseudo-random number. Its sequence follows from the seed of the run. */
uint64_t random_number(void);

void *memset(void *memory, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);
int memcmp(const void *left, const void *right, size_t size);
size_t strlen(const char *text);
int strcmp(const char *left, const char *right);

/* Exceptions. */
enum fault {
    FAULT_NONE,
    /* An instruction that does not exist. */
    FAULT_INSTRUCTION,
    FAULT_BREAKPOINT,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_EXECUTE,
    /* Any other. */
    FAULT_OTHER,
};

struct caught {
    enum fault kind;
    /* The address that could not be accessed. */
    uintptr_t address;
    /* The instruction that was not completed. */
    uintptr_t instruction;
};

/* Calls a function and returns at its first exception. Only one processor may do so at a time. */
struct caught catch_fault(void (*attempt)(void *), void *argument);
/* An attempt: executes an instruction that does not exist. */
void undefined_instruction(void *ignored);
/* An attempt: executes a breakpoint. */
void breakpoint(void *ignored);

/* Memory management: pages of 4 KiB, in a window that nothing else uses. */
#define PAGE_SIZE 4096
#define MMU_WINDOW 0x7000000000
enum { MMU_READ = 1, MMU_WRITE = 2, MMU_EXECUTE = 4 };
/* Turns translation on, if it is off: all that a test uses stays where it is. */
void mmu_start(void);
void mmu_map(uintptr_t virtual, uintptr_t physical, unsigned rights);
void mmu_unmap(uintptr_t virtual);

/* Interrupts of the processor that calls. */
enum interrupt { INTERRUPT_TIMER, INTERRUPT_IPI, INTERRUPT_MESSAGE, INTERRUPT_SPURIOUS, INTERRUPTS };
/* How many have been taken, by all processors. */
extern uint64_t interrupt_count[INTERRUPTS];
/* The processor that took the last one of each. */
extern unsigned interrupt_processor[INTERRUPTS];
void interrupts_on(void);
void interrupts_off(void);
/* Whether the interrupt controller holds back all of the above by their priority. */
void interrupts_hold(bool hold);
/* Sends an interrupt to a processor. */
void interrupt_send(unsigned processor);

/* Time. */
uint64_t nanoseconds(void);
/* One INTERRUPT_TIMER after this time. */
void timer_start(uint64_t nanoseconds);
void timer_stop(void);
/* Waits until a condition holds; false if it does not within some seconds. */
#define WAIT_SECONDS 20
#define WAIT_FOR(condition)                                                                             \
    ({                                                                                                  \
        uint64_t wait_end = nanoseconds() + WAIT_SECONDS * 1000000000ull;                               \
        while (!(condition) && nanoseconds() < wait_end)                                                \
            processor_relax();                                                                          \
        (condition);                                                                                    \
    })

/* Processors, numbered from 0. */
unsigned processors(void);
unsigned processor_number(void);
/* Lets a processor that has not run yet call a function. */
void processor_start(unsigned processor, void (*function)(void));
/* For the body of a loop that waits for another processor. */
void processor_relax(void);

#define LOAD(object) __atomic_load_n(&(object), __ATOMIC_RELAXED)
#define STORE(object, value) __atomic_store_n(&(object), (value), __ATOMIC_RELAXED)
#define LOAD_ACQUIRE(object) __atomic_load_n(&(object), __ATOMIC_ACQUIRE)
#define STORE_RELEASE(object, value) __atomic_store_n(&(object), (value), __ATOMIC_RELEASE)

/* Registers of devices, which are little-endian. The size is 1, 2, 4 or 8 bytes. */
uint64_t mmio_read(uintptr_t address, unsigned size);
void mmio_write(uintptr_t address, unsigned size, uint64_t value);

/* PCI. A function is `bus << 8 | device << 3 | function`. */
#define PCI_NONE (~0u)
uint32_t pci_read(unsigned function, unsigned offset, unsigned size);
void pci_write(unsigned function, unsigned offset, unsigned size, uint32_t value);
/* The first function with these identifiers on bus 0. */
unsigned pci_find(uint16_t vendor, uint16_t device);
/* The size of a base address register's region. */
uint64_t pci_bar_size(unsigned function, unsigned bar);
/* Places the region of a memory register, if it has no place, and enables the function: where it is. */
uintptr_t pci_map(unsigned function, unsigned bar);
/* The offset of a capability, or 0. */
unsigned pci_capability(unsigned function, uint8_t id);
/* Lets a function send INTERRUPT_MESSAGE. */
bool pci_messages_on(unsigned function);

/* The address at which a device finds this memory, which must not cross a page. */
uint64_t dma_address(void *memory, size_t size);

#endif
