/* Further processors start, know their number, and send each other interrupts. */

#include "kiln.h"

static unsigned number[8];
static bool is_running[8], may_end;

static void run(void)
{
    unsigned own = processor_number();

    if (own < 8) {
        number[own] = own + 100;
        interrupts_on();
        STORE_RELEASE(is_running[own], true);
    }
    while (!LOAD_ACQUIRE(may_end))
        processor_relax();
    interrupts_off();
    if (own < 8)
        STORE_RELEASE(is_running[own], false);
}

void test(void)
{
    check_equal("how many processors there are", processors(), parameter("kiln.processors", 0));
    check_equal("the number of the first one", processor_number(), 0);
    interrupts_on();
    for (unsigned other = 1; other < processors(); other++) {
        check("it has not run", !is_running[other]);
        processor_start(other, run);
        check("it runs", WAIT_FOR(LOAD_ACQUIRE(is_running[other])));
        check_equal("it knows its number", number[other], other + 100);

        uint64_t expected = LOAD(interrupt_count[INTERRUPT_IPI]) + 1;
        interrupt_send(other);
        check("it takes an interrupt", WAIT_FOR(LOAD_ACQUIRE(interrupt_count[INTERRUPT_IPI]) == expected));
        check_equal("no other processor takes it", interrupt_processor[INTERRUPT_IPI], other);
    }
    uint64_t expected = LOAD(interrupt_count[INTERRUPT_IPI]) + 1;
    interrupt_send(0);
    check("the first one takes an interrupt", WAIT_FOR(LOAD_ACQUIRE(interrupt_count[INTERRUPT_IPI]) == expected));
    check_equal("no other processor takes that", interrupt_processor[INTERRUPT_IPI], 0);
    STORE_RELEASE(may_end, true);
    for (unsigned other = 1; other < processors(); other++)
        check("it ends", WAIT_FOR(!LOAD_ACQUIRE(is_running[other])));
}
