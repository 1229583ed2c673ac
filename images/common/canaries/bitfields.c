/* Bit-fields in the machine's order and in both orders of bytes, as file formats and devices have them. */

struct native { unsigned a : 3; int b : 7; unsigned c : 22; unsigned long long d : 37, e : 27; };

struct __attribute__((scalar_storage_order("big-endian"))) big { unsigned a : 5, b : 27; unsigned short c; unsigned long long d; };

struct __attribute__((scalar_storage_order("little-endian"))) little { unsigned a : 5, b : 27; unsigned short c; unsigned long long d; };

long long read_native(const struct native *n) { return n->a + n->b - n->c + (long long)n->d * n->e; }

void write_native(struct native *n, unsigned x) { n->a = x; n->b = (int)x >> 2; n->d += x; n->e ^= 5; }

unsigned long long read_big(const struct big *b) { return b->a + b->b + b->c + b->d; }

void write_big(struct big *b, unsigned long long x) { b->a = x & 31; b->b = x >> 5 & 0x7ffffff; b->c = (unsigned short)x; b->d = x; }

unsigned long long read_little(const struct little *l) { return l->a + l->b + l->c + l->d; }

void write_little(struct little *l, unsigned long long x) { l->a = x & 31; l->b = x >> 5 & 0x7ffffff; l->c = (unsigned short)x; l->d = x; }
