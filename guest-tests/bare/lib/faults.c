/* Exceptions that a test expects, and those that it does not; interrupts are counted. */

#include "arch.h"

uint64_t interrupt_count[INTERRUPTS];
unsigned interrupt_processor[INTERRUPTS];

static void *resume[5];
static volatile bool is_expected;
static volatile struct caught caught;

/* Where an attempt continues after its exception. */
static _Noreturn void leave_attempt(void)
{
    __builtin_longjmp(resume, 1);
}

struct caught catch_fault(void (*attempt)(void *), void *argument)
{
    caught = (struct caught){FAULT_NONE, 0, 0};
    if (!__builtin_setjmp(resume)) {
        is_expected = true;
        attempt(argument);
    }
    is_expected = false;
    return caught;
}

uintptr_t fault_taken(enum fault kind, uintptr_t address, uintptr_t instruction)
{
    if (!is_expected) {
        print("exception %u at 0x%lx, address 0x%lx\n", kind, instruction, address);
        fail("unexpected exception");
    }
    is_expected = false;
    caught = (struct caught){kind, address, instruction};
    return (uintptr_t)leave_attempt;
}

void interrupt_taken(enum interrupt interrupt)
{
    STORE(interrupt_processor[interrupt], processor_number());
    __atomic_fetch_add(&interrupt_count[interrupt], 1, __ATOMIC_RELEASE);
}
