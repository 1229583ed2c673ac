/* GICv2 with its frame for messages, and the virtual timer of the processor. */

#include "cpu.h"

/* Registers of the distributor, of a processor's interface (Arm IHI 0048) and of the frame (GICv2m). */
enum {
    DISTRIBUTOR_CONTROL = 0x000,
    DISTRIBUTOR_ENABLE = 0x100,
    DISTRIBUTOR_PRIORITY = 0x400,
    DISTRIBUTOR_TARGET = 0x800,
    DISTRIBUTOR_CONFIGURATION = 0xc00,
    DISTRIBUTOR_SEND = 0xf00,
    INTERFACE_CONTROL = 0x00,
    INTERFACE_MASK = 0x04,
    INTERFACE_ACKNOWLEDGE = 0x0c,
    INTERFACE_END = 0x10,
    FRAME_TYPE = 0x08,
    FRAME_SET = 0x40,
};
enum { NUMBER_IPI = 0, NUMBER_TIMER = 27, NUMBER_SPURIOUS = 1020 };
enum { PRIORITY = 0x80, PRIORITY_ANY = 0xff };
enum { TIMER_ENABLE = 1 };

static uintptr_t distributor, interface, frame;
static uint32_t message;

/* Only one byte or bit of a register is changed. */
static void set_byte(uintptr_t registers, unsigned number, uint8_t value)
{
    *(volatile uint8_t *)(registers + number) = value;
}

static void enable(unsigned number)
{
    set_byte(distributor + DISTRIBUTOR_PRIORITY, number, PRIORITY);
    device_write(distributor + DISTRIBUTOR_ENABLE + 4 * (number / 32), 1u << (number % 32));
}

void interrupts_start(void)
{
    struct property controller = tree_property("arm,cortex-a15-gic", "reg");

    distributor = tree_cells(controller, 0);
    interface = tree_cells(controller, 4);
    frame = tree_cells(tree_property("arm,gic-v2m-frame", "reg"), 0);
    if (!distributor)
        fail("the machine has no GICv2");
    device_write(distributor + DISTRIBUTOR_CONTROL, 1);
    device_write(interface + INTERFACE_MASK, PRIORITY_ANY);
    device_write(interface + INTERFACE_CONTROL, 1);
    enable(NUMBER_IPI);
    enable(NUMBER_TIMER);
}

void exception_interrupt(uint64_t *instruction)
{
    uint32_t acknowledged = device_read(interface + INTERFACE_ACKNOWLEDGE);
    uint32_t number = acknowledged & 0x3ff;

    (void)instruction;
    if (number >= NUMBER_SPURIOUS) {
        interrupt_taken(INTERRUPT_SPURIOUS);
        return;
    }
    if (number == NUMBER_TIMER)
        timer_stop();
    interrupt_taken(number == NUMBER_TIMER ? INTERRUPT_TIMER
                    : number == NUMBER_IPI ? INTERRUPT_IPI
                    : number == message    ? INTERRUPT_MESSAGE
                                           : INTERRUPT_SPURIOUS);
    device_write(interface + INTERFACE_END, acknowledged);
}

void interrupts_on(void)
{
    __asm__ volatile("msr daifclr, #2" : : : "memory");
}

void interrupts_off(void)
{
    __asm__ volatile("msr daifset, #2" : : : "memory");
}

void interrupts_hold(bool hold)
{
    device_write(interface + INTERFACE_MASK, hold ? PRIORITY : PRIORITY_ANY);
}

void interrupt_send(unsigned processor)
{
    __asm__ volatile("dsb sy" : : : "memory");
    device_write(distributor + DISTRIBUTOR_SEND, 1u << (16 + processor) | NUMBER_IPI);
}

uint64_t nanoseconds(void)
{
    __asm__ volatile("isb" : : : "memory");
    return scaled(READ(cntvct_el0), READ(cntfrq_el0), 1000000000);
}

void timer_start(uint64_t time)
{
    uint64_t ticks = scaled(time, 1000000000, READ(cntfrq_el0));

    WRITE(cntv_cval_el0, READ(cntvct_el0) + ticks);
    WRITE(cntv_ctl_el0, TIMER_ENABLE);
}

void timer_stop(void)
{
    WRITE(cntv_ctl_el0, 0);
    __asm__ volatile("isb" : : : "memory");
}

bool arch_pci_message(unsigned function, uint64_t *address, uint32_t *data)
{
    (void)function;
    if (!frame)
        fail("the machine has no GICv2m");
    message = device_read(frame + FRAME_TYPE) >> 16 & 0x3ff;
    set_byte(distributor + DISTRIBUTOR_TARGET, message, 1);
    /* Each message is an edge. */
    uintptr_t configuration = distributor + DISTRIBUTOR_CONFIGURATION + 4 * (message / 16);
    device_write(configuration, device_read(configuration) | 2u << (2 * (message % 16)));
    enable(message);
    *address = frame + FRAME_SET;
    *data = message;
    return true;
}
