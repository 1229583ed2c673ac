/* Special registers, hypervisor calls and RTAS of a logical partition (PAPR). */

#ifndef CPU_H
#define CPU_H

#include "arch.h"

#define READ(number)                                                                                    \
    ({                                                                                                  \
        uint64_t read_value;                                                                            \
        __asm__ volatile("mfspr %0, %1" : "=r"(read_value) : "i"(number));                              \
        read_value;                                                                                     \
    })
#define WRITE(number, value) __asm__ volatile("mtspr %1, %0" : : "r"((uint64_t)(value)), "i"(number))

/* Numbers of special registers (Power ISA). */
#define DSISR 18
#define DAR 19
#define DECREMENTER 22
#define TIME_BASE 268
/* The number of the processor. */
#define OWN_NUMBER 275

/* Bits of the machine state. */
#define MSR_EXTERNAL 0x8000ull
#define MSR_TRANSLATION 0x30ull

static inline uint64_t machine_state(void)
{
    uint64_t state;

    __asm__ volatile("mfmsr %0" : "=r"(state));
    return state;
}

/* Hypervisor calls. */
enum {
    H_PUT_TCE = 0x20,
    H_PUT_TERM_CHAR = 0x58,
    H_EOI = 0x64,
    H_CPPR = 0x68,
    H_IPI = 0x6c,
    H_XIRR = 0x74,
    H_REGISTER_PROC_TBL = 0x37c,
    /* QEMU's own (docs/specs/ppc-spapr-hcalls.rst). */
    H_RTAS = 0xf000,
};

/* Makes a hypervisor call; `result` is its first output. */
int64_t hypervisor_call(uint64_t number, const uint64_t arguments[4], uint64_t *result);

/* The services of RTAS that are used. */
enum service {
    RTAS_POWER_OFF,
    RTAS_START_CPU,
    RTAS_READ_CONFIGURATION,
    RTAS_WRITE_CONFIGURATION,
    RTAS_CHANGE_MSI,
    RTAS_INTERRUPT_SOURCE,
    RTAS_SET_XIVE,
    RTAS_SERVICES,
};

/* Calls RTAS: its status. */
int32_t rtas(enum service service, unsigned inputs, unsigned outputs, const uint32_t *arguments, uint32_t *results);

/* What the firmware reports about the machine, before its memory is used for vectors. */
struct machine {
    char command_line[1024];
    uint32_t terminal;
    uint32_t timebase_hertz;
    unsigned processors;
    uint32_t server[8];
    uint32_t services[RTAS_SERVICES];
    /* Of the PCI host bridge. */
    uint32_t bridge[2];
    struct pci_window window;
    uint32_t dma_window;
    uint64_t dma_start;
};
extern struct machine machine;

void firmware_read(void);
/* Copies the vectors. */
void exceptions_start(void);
/* Registers of the processor that calls. */
void processor_begin(unsigned number);

#endif
