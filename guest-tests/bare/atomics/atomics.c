/* Atomic operations of two processors on the same memory lose nothing. */

#include "kiln.h"

#define ROUNDS 50000

static uint64_t sum, exchanged, bits, guarded;
static uint32_t narrow;
static uint8_t lock;
static bool may_begin, has_ended;

static void lock_take(void)
{
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        processor_relax();
}

static void work(unsigned own)
{
    for (uint64_t count = 0; count < ROUNDS; count++) {
        __atomic_fetch_add(&sum, own + 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&narrow, 1, __ATOMIC_RELAXED);
        __atomic_fetch_xor(&bits, 1ull << (own + 60), __ATOMIC_RELAXED);

        uint64_t seen = LOAD(exchanged);
        while (!__atomic_compare_exchange_n(&exchanged, &seen, seen + 3, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ;
        lock_take();
        guarded = guarded + 1;
        __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    }
}

static void second(void)
{
    while (!LOAD_ACQUIRE(may_begin))
        processor_relax();
    work(1);
    STORE_RELEASE(has_ended, true);
}

void test(void)
{
    processor_start(1, second);
    STORE_RELEASE(may_begin, true);
    work(0);
    check("the other processor ends", WAIT_FOR(LOAD_ACQUIRE(has_ended)));
    check_equal("additions of 64 bits", sum, 3ull * ROUNDS);
    check_equal("additions of 32 bits", narrow, 2ull * ROUNDS);
    check_equal("toggled bits, each an even number of times", bits, 0);
    check_equal("compare and exchange", exchanged, 6ull * ROUNDS);
    check_equal("additions under a lock", guarded, 2ull * ROUNDS);
}
