/* The local APIC, its timer, and the clock. */

#include "cpu.h"

/* Channel 2 of the 8254, whose gate and output are in port 0x61. */
enum { PIT_CHANNEL_2 = 0x42, PIT_COMMAND = 0x43, PIT_GATE = 0x61 };
enum { PIT_COUNT_DOWN_2 = 0xb0, PIT_LATCH_2 = 0x80, GATE_ON = 1, GATE_OUTPUT = 0x20 };
#define PIT_HERTZ 1193182
#define PIT_LONGEST 0xffff
/* How long the counters are compared with the 8254, in its ticks: 3 ms at least. */
#define PIT_TICKS 3580
/* Comparisons before the test gives up. */
#define ATTEMPTS 1000

enum { SPURIOUS_ENABLE = 0x100, SPURIOUS_VECTOR = 0xff, TIMER_MASKED = 0x10000, DIVIDE_BY_1 = 11 };
enum { COMMAND_FIXED = 0x4000 };

static uint64_t tsc_hertz, timer_hertz;

void apic_start(void)
{
    /* The two 8259 would send interrupts of their own. */
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    apic_write(APIC_TASK_PRIORITY, 0);
    apic_write(APIC_TIMER, TIMER_MASKED);
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_SPURIOUS, SPURIOUS_ENABLE | SPURIOUS_VECTOR);
}

/* All counters at one moment. A busy host can interrupt the reads: `span` is how long they took. */
struct moment {
    uint64_t tsc, span;
    uint32_t pit, timer;
};

static struct moment read_moment(void)
{
    struct moment moment = {.tsc = read_tsc()};

    out8(PIT_COMMAND, PIT_LATCH_2);
    moment.pit = in8(PIT_CHANNEL_2);
    moment.pit |= (uint32_t)in8(PIT_CHANNEL_2) << 8;
    moment.timer = apic_read(APIC_TIMER_CURRENT);
    moment.span = read_tsc() - moment.tsc;
    return moment;
}

/* Compares the counters with the 8254 while it counts down. False if the host was too busy. */
static bool compare_clocks(void)
{
    uint8_t gate = in8(PIT_GATE) & ~2;

    out8(PIT_GATE, gate & ~GATE_ON);
    out8(PIT_COMMAND, PIT_COUNT_DOWN_2);
    out8(PIT_CHANNEL_2, PIT_LONGEST & 0xff);
    out8(PIT_CHANNEL_2, PIT_LONGEST >> 8);
    apic_write(APIC_TIMER_INITIAL, ~0u);
    out8(PIT_GATE, gate | GATE_ON);
    struct moment first = read_moment(), last;
    do {
        last = read_moment();
        if (in8(PIT_GATE) & GATE_OUTPUT)
            return false;
    } while (first.pit - last.pit < PIT_TICKS);
    uint64_t ticks = last.tsc - first.tsc, pit = first.pit - last.pit;
    tsc_hertz = ticks * PIT_HERTZ / pit;
    timer_hertz = (uint64_t)(first.timer - last.timer) * PIT_HERTZ / pit;
    return first.span + last.span < ticks / 50;
}

void clock_start(void)
{
    for (unsigned attempt = 0; !compare_clocks(); attempt++) {
        if (attempt == ATTEMPTS)
            fail("the clocks cannot be compared: the host is too busy");
    }
    apic_write(APIC_TIMER_INITIAL, 0);
}

uint64_t nanoseconds(void)
{
    return scaled(read_tsc(), tsc_hertz, 1000000000);
}

void timer_start(uint64_t time)
{
    uint64_t ticks = scaled(time, 1000000000, timer_hertz);

    apic_write(APIC_TIMER, VECTOR_FIRST + INTERRUPT_TIMER);
    apic_write(APIC_TIMER_INITIAL, (uint32_t)ticks);
}

void timer_stop(void)
{
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_TIMER, TIMER_MASKED);
}

void interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

void interrupts_hold(bool hold)
{
    apic_write(APIC_TASK_PRIORITY, hold ? VECTOR_FIRST : 0);
}

void interrupt_send(unsigned processor)
{
    apic_write(APIC_COMMAND_HIGH, processor << 24);
    apic_write(APIC_COMMAND, COMMAND_FIXED | (VECTOR_FIRST + INTERRUPT_IPI));
}

bool arch_pci_message(unsigned function, uint64_t *address, uint32_t *data)
{
    (void)function;
    *address = APIC_BASE;
    *data = VECTOR_FIRST + INTERRUPT_MESSAGE;
    return true;
}

uint64_t dma_address(void *memory, size_t size)
{
    (void)size;
    return (uintptr_t)memory;
}
