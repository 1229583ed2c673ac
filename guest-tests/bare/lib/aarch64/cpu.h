/* Special registers of AArch64. */

#ifndef CPU_H
#define CPU_H

#include "arch.h"
#include "tree.h"

#define READ(name)                                                                                      \
    ({                                                                                                  \
        uint64_t read_value;                                                                            \
        __asm__ volatile("mrs %0, " #name : "=r"(read_value));                                          \
        read_value;                                                                                     \
    })
#define WRITE(name, value) __asm__ volatile("msr " #name ", %0" : : "r"((uint64_t)(value)))

/* A call of the firmware (PSCI). */
int64_t firmware_call(uint32_t function, uint64_t first, uint64_t second, uint64_t third);
/* The interrupt controller's part of the processor that calls. */
void interrupts_start(void);

static inline uint32_t device_read(uintptr_t address)
{
    return *(volatile uint32_t *)address;
}

static inline void device_write(uintptr_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

#endif
