/* The interrupt controller: interrupts that a processor sends to itself. */

#include "kiln.h"

static uint64_t taken(void)
{
    return LOAD_ACQUIRE(interrupt_count[INTERRUPT_IPI]);
}

static void wait(void)
{
    uint64_t end = nanoseconds() + 5000000;

    while (nanoseconds() < end)
        processor_relax();
}

void test(void)
{
    interrupt_send(0);
    wait();
    check_equal("no interrupt is taken while they are off", taken(), 0);
    interrupts_on();
    check("the pending one is taken when they are on", WAIT_FOR(taken() == 1));
    wait();
    check_equal("it is taken once", taken(), 1);

    unsigned lost = 0;
    for (unsigned count = 0; count < 100; count++) {
        uint64_t expected = taken() + 1;
        interrupt_send(0);
        lost += !WAIT_FOR(taken() == expected);
    }
    check_equal("lost ones of 100 interrupts", lost, 0);
    uint64_t count = taken();

    interrupts_hold(true);
    interrupt_send(0);
    wait();
    check_equal("an interrupt below the priority is held", taken(), count);
    interrupts_hold(false);
    check("it is taken when the priority is lowered", WAIT_FOR(taken() == count + 1));

    interrupts_off();
    interrupt_send(0);
    interrupt_send(0);
    interrupts_on();
    check("two of one kind are taken", WAIT_FOR(taken() > count + 1));
    wait();
    check_equal("as one, for one can be pending", taken(), count + 2);
    interrupts_off();
    check_equal("the processor that took it", interrupt_processor[INTERRUPT_IPI], 0);
    check_equal("other interrupts", interrupt_count[INTERRUPT_TIMER] + interrupt_count[INTERRUPT_MESSAGE], 0);
}
