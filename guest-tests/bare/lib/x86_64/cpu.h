/* Ports and special registers of x86-64. */

#ifndef CPU_H
#define CPU_H

#include "arch.h"

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t in16(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint64_t read_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* Registers of the local APIC (Intel SDM, volume 3, "APIC Register Address Map"). */
enum {
    APIC_ID = 0x20,
    APIC_TASK_PRIORITY = 0x80,
    APIC_END = 0xb0,
    APIC_SPURIOUS = 0xf0,
    APIC_COMMAND = 0x300,
    APIC_COMMAND_HIGH = 0x310,
    APIC_TIMER = 0x320,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
};

/* The messages of PCI functions are written to the local APICs. */
#define APIC_BASE 0xfee00000u

/* The vectors of `enum interrupt`. */
#define VECTOR_FIRST 0x40

static inline uint32_t apic_read(unsigned offset)
{
    return *(volatile uint32_t *)(uintptr_t)(APIC_BASE + offset);
}

static inline void apic_write(unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_BASE + offset) = value;
}

/* The interrupt descriptor table, for every processor. */
void exceptions_start(void);
/* The local APIC of the processor that calls. */
void apic_start(void);
/* How fast the counters of the first processor run. */
void clock_start(void);

#endif
