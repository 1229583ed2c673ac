/* QEMU's device for teaching, by docs/specs/edu.rst: identification, liveness, factorial. */

#include "edu.h"

enum { STATUS_BUSY = 1 };

void test(void)
{
    edu_open();
    uint64_t identification = edu_read(EDU_IDENTIFICATION, 4);
    check_equal("the identification", identification & 0xffff, 0x00ed);
    check_equal("the major version", identification >> 24, 1);
    edu_write(EDU_IDENTIFICATION, 4, 0);
    check_equal("it cannot be written", edu_read(EDU_IDENTIFICATION, 4), identification);

    unsigned wrong = 0;
    for (unsigned count = 0; count < 100; count++) {
        uint32_t value = (uint32_t)random_number();
        edu_write(EDU_LIVENESS, 4, value);
        wrong += edu_read(EDU_LIVENESS, 4) != (uint32_t)~value;
    }
    check_equal("wrong ones of 100 inversions", wrong, 0);

    wrong = 0;
    uint32_t expected = 1;
    for (uint32_t number = 1; number <= 12; number++) {
        expected *= number;
        edu_write(EDU_FACTORIAL, 4, number);
        if (!WAIT_FOR(!(edu_read(EDU_STATUS, 4) & STATUS_BUSY)))
            wrong++;
        wrong += edu_read(EDU_FACTORIAL, 4) != expected;
    }
    check_equal("wrong ones of 12 factorials", wrong, 0);
    check_equal("no interrupt is raised", edu_read(EDU_RAISED, 4), 0);
}
