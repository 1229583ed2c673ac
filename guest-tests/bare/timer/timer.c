/* The timer of the processor: once, not early, and not after it was stopped. */

#include "kiln.h"

#define MILLISECOND 1000000ull

static uint64_t taken(void)
{
    return LOAD_ACQUIRE(interrupt_count[INTERRUPT_TIMER]);
}

static void wait(uint64_t time)
{
    uint64_t end = nanoseconds() + time;

    while (nanoseconds() < end)
        processor_relax();
}

void test(void)
{
    uint64_t before = nanoseconds();
    unsigned backwards = 0;
    for (unsigned count = 0; count < 10000; count++) {
        uint64_t now = nanoseconds();
        backwards += now < before;
        before = now;
    }
    check_equal("steps of the clock that go backwards", backwards, 0);
    uint64_t start = nanoseconds();
    wait(MILLISECOND);
    check("the clock advances", nanoseconds() - start >= MILLISECOND);

    interrupts_on();
    unsigned early = 0, lost = 0;
    for (unsigned count = 1; count <= 5; count++) {
        uint64_t time = count * MILLISECOND;
        uint64_t expected = taken() + 1;
        start = nanoseconds();
        timer_start(time);
        lost += !WAIT_FOR(taken() == expected);
        /* Two counters are compared, of which each is read in its own time. */
        early += nanoseconds() - start < time - time / 10;
    }
    check_equal("interrupts that did not come", lost, 0);
    check_equal("interrupts that came early", early, 0);

    uint64_t count = taken();
    wait(10 * MILLISECOND);
    check_equal("a timer fires once", taken(), count);

    timer_start(20 * MILLISECOND);
    timer_stop();
    wait(40 * MILLISECOND);
    check_equal("a stopped timer does not fire", taken(), count);

    interrupts_off();
    timer_start(MILLISECOND);
    wait(5 * MILLISECOND);
    check_equal("no interrupt is taken while they are off", taken(), count);
    interrupts_on();
    check("it is taken afterwards", WAIT_FOR(taken() == count + 1));
    interrupts_off();
    check_equal("other interrupts", interrupt_count[INTERRUPT_IPI] + interrupt_count[INTERRUPT_MESSAGE], 0);
}
