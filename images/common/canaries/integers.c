/* Arithmetic of every width: products, quotients by constants, shifts, carries, comparisons. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

u64 widen(u32 a, u32 b) { return (u64)a * b; }

s64 divide_by_constants(s64 n) { return n / 7 + n % 10 - n / 1024 + n % -3; }

u32 divide(u32 a, u32 b) { return b ? a / b + a % b : ~0u; }

u64 rotate(u64 x, unsigned by) { return x << (by & 63) | x >> (-by & 63); }

s64 shift_signed(s64 x, unsigned by) { return (x >> by) ^ (x << 3) ^ ((int)x >> 5); }

int overflows(int a, int b, int *sum) { return __builtin_add_overflow(a, b, sum) | __builtin_mul_overflow(a, b, sum); }

u64 bits(u64 x) { return __builtin_clzll(x | 1) * 64 + __builtin_ctzll(x | 1) + __builtin_bswap64(x) + __builtin_bswap16((u16)x); }

int narrow(int x) { return (u8)x + (signed char)(x >> 8) + (short)(x >> 16) + (u16)x; }

int order(s64 a, s64 b, u64 c, u64 d) { return (a > b) - (a < b) + (c >= d) * 2 + (a != (s64)c) * 4; }

u64 choose_without_branch(u64 a, u64 b, int which) { return which ? a : b + 1; }
