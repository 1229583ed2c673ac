/* Message-signalled interrupts of QEMU's device for teaching, by docs/specs/edu.rst. */

#include "edu.h"

enum { STATUS_BUSY = 1, STATUS_RAISE = 0x80, FACTORIAL_DONE = 1 };

static uint64_t taken(void)
{
    return LOAD_ACQUIRE(interrupt_count[INTERRUPT_MESSAGE]);
}

void test(void)
{
    unsigned device = edu_open();

    if (!check("it can send messages", pci_messages_on(device)))
        return;
    interrupts_on();
    check_equal("no message at first", taken(), 0);

    unsigned lost = 0, wrong = 0;
    for (uint64_t count = 1; count <= 50; count++) {
        uint32_t reason = (uint32_t)count << 8;
        edu_write(EDU_RAISE, 4, reason);
        lost += !WAIT_FOR(taken() == count);
        wrong += edu_read(EDU_RAISED, 4) != reason;
        edu_write(EDU_ACKNOWLEDGE, 4, reason);
        wrong += edu_read(EDU_RAISED, 4) != 0;
    }
    check_equal("lost ones of 50 messages", lost, 0);
    check_equal("wrong reasons", wrong, 0);

    uint64_t count = taken();
    edu_write(EDU_STATUS, 4, STATUS_RAISE);
    edu_write(EDU_FACTORIAL, 4, 10);
    check("a message after the computation", WAIT_FOR(taken() == count + 1));
    check_equal("its reason", edu_read(EDU_RAISED, 4), FACTORIAL_DONE);
    check_equal("the result", edu_read(EDU_FACTORIAL, 4), 3628800);
    edu_write(EDU_ACKNOWLEDGE, 4, FACTORIAL_DONE);

    edu_write(EDU_STATUS, 4, 0);
    count = taken();
    edu_write(EDU_FACTORIAL, 4, 5);
    check("a computation without a message", WAIT_FOR(!(edu_read(EDU_STATUS, 4) & STATUS_BUSY)));
    check_equal("no message", taken(), count);
    interrupts_off();
    check_equal("the processor that took them", interrupt_processor[INTERRUPT_MESSAGE], 0);
}
