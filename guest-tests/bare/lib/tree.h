/* The flattened device tree of machines that have one (Devicetree Specification, chapter 5). */

#ifndef TREE_H
#define TREE_H

#include "kiln.h"

/* A property's value; `cells` are its 32-bit numbers. */
struct property {
    const void *value;
    uint32_t size;
};

/* Reads the tree at an address; false if it is not one. */
bool tree_open(const void *tree);
/* A property of the first node whose `compatible` has this name, or whose own name begins so. */
struct property tree_property(const char *node, const char *name);
/* One 32-bit number of a property, and two of them as one. */
uint32_t tree_cell(struct property property, unsigned index);
uint64_t tree_cells(struct property property, unsigned index);
/* How many nodes have a property with this text. */
unsigned tree_count(const char *name, const char *text);

#endif
