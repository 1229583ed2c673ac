/* Floating point: contraction, conversion, comparison with NaN, constants in memory. */

double polynomial(double x) { return ((0.1 * x + 2.5) * x - 1e-7) * x + 1e300; }

float single(float a, float b) { return a / b - a * b + 0.3f; }

long long to_integers(double x, float y) { return (long long)x + (unsigned)y + (unsigned long long)x; }

double from_integers(int a, unsigned b, long long c, unsigned long long d) { return (double)a + b + c + (float)d; }

int compare(double a, double b) { return (a < b) + (a == b) * 2 + !(a >= b) * 4 + __builtin_isnan(a) * 8; }

double absolute(double x, double sign) { return __builtin_copysign(__builtin_fabs(x), sign); }

double mixed(int n, double a, float b, long c, double d) { return n * a + b * c - d; }

double sum(const float *values, int count)
{
    double total = 0;
    for (int i = 0; i < count; i++)
        total += values[i];
    return total;
}
