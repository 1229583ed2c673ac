/* What one processor sees of the stores of another: message passing and store buffering. */

#include "kiln.h"

#define MESSAGES 20000
#define ROUNDS 200

/* Each variable has a cache line of its own. */
static struct {
    uint64_t value;
} __attribute__((aligned(128))) data, flag, left, right, round_of[2], result[2];

static void delay(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    for (unsigned count = (unsigned)(*state >> 60); count; count--)
        processor_relax();
}

/* Both processors begin a round together; false if the other one does not come. */
static bool meet(unsigned own, uint64_t number)
{
    STORE_RELEASE(round_of[own].value, number);
    return WAIT_FOR(LOAD_ACQUIRE(round_of[!own].value) >= number);
}

/* Stores to one variable, then loads the other: with a full barrier between, not both can see 0. */
static uint64_t store_and_load(uint64_t *own, uint64_t *other)
{
    STORE(*own, 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return LOAD(*other);
}

static void second(void)
{
    uint64_t state = 2;

    for (uint64_t number = 1; number <= MESSAGES; number++) {
        STORE(data.value, number);
        STORE_RELEASE(flag.value, number);
        delay(&state);
    }
    for (uint64_t number = 1; number <= ROUNDS; number++) {
        if (!meet(1, 2 * number))
            return;
        delay(&state);
        result[1].value = store_and_load(&right.value, &left.value);
        if (!meet(1, 2 * number + 1))
            return;
    }
}

void test(void)
{
    uint64_t state = random_number();
    uint64_t stale = 0, backwards = 0, last = 0, both = 0;

    processor_start(1, second);
    uint64_t end = nanoseconds() + WAIT_SECONDS * 1000000000ull;
    while (last < MESSAGES && nanoseconds() < end) {
        uint64_t seen = LOAD_ACQUIRE(flag.value);
        uint64_t value = LOAD(data.value);
        stale += value < seen;
        backwards += seen < last;
        last = seen;
    }
    check_equal("the last message arrives", last, MESSAGES);
    check_equal("messages whose data was older than their flag", stale, 0);
    check_equal("messages that came in another order", backwards, 0);

    uint64_t number;
    for (number = 1; number <= ROUNDS; number++) {
        left.value = right.value = 0;
        if (!meet(0, 2 * number))
            break;
        delay(&state);
        uint64_t seen = store_and_load(&left.value, &right.value);
        if (!meet(0, 2 * number + 1))
            break;
        both += !seen && !result[1].value;
    }
    check_equal("rounds", number, ROUNDS + 1);
    check_equal("rounds in which neither saw the other's store", both, 0);
}
