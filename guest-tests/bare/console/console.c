/* The console, the command line and the checks, on which all other tests depend. */

#include "kiln.h"

void test(void)
{
    print("%s %c %d %u %x %ld %lx %%\n", "text", 'c', -12, 34u, 0xabcu, -1l, 0x123456789abcul);
    for (unsigned line = 0; line < 64; line++) {
        for (char character = ' '; character <= '~'; character++)
            print("%c", character);
        print(" %u\n", line);
    }
    check("a console takes several kilobytes", true);
    check("the command line has the seed of the run", parameter("kiln.seed", ~0ul) != ~0ul);
    check_equal("a parameter that is absent has its default", parameter("kiln.see", 5), 5);
    check_equal("a number of the command line", parameter("kiln.number", 0), 18446744073709551615ul);

    uint64_t first = random_number();
    check("pseudo-random numbers differ", first != random_number());
}
