/* Switches as tables and as trees, conditions, loops, calls through tables, recursion. */

extern int first(int), second(int), third(int);

int dense(int what)
{
    switch (what) {
    case 0: return first(1);
    case 1: return second(2);
    case 2: return third(3);
    case 3: return first(4) + second(5);
    case 4: return -1;
    case 5: return third(6) * 2;
    case 6: return 17;
    case 7: return second(8);
    default: return 0;
    }
}

int sparse(unsigned what)
{
    switch (what) {
    case 3: return 1;
    case 1000: return first(2);
    case 77777: return 3;
    case 0x80000001u: return second(4);
    case 12 ... 40: return 5;
    default: return 6;
    }
}

int values(int what)
{
    switch (what) {
    case 10: return 3;
    case 11: return 1;
    case 12: return 4;
    case 13: return 1;
    case 14: return 5;
    case 15: return 9;
    default: return 2;
    }
}

int (*const table[])(int) = { first, second, third };

int through_table(unsigned which, int x) { return which < 3 ? table[which](x) : -1; }

int tail(int x) { return x > 0 ? first(x - 1) : second(x); }

int recursion(int n) { return n < 2 ? n : recursion(n - 1) + recursion(n - 2); }

int search(const int *sorted, int count, int wanted)
{
    int low = 0, high = count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (sorted[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && sorted[low] == wanted ? low : -1;
}

int conditions(int a, int b, int c) { return (a && b) || (!c && a < b) ? a & ~b : b | c; }
