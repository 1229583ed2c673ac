/* The flattened device tree: a walk over its nodes. */

#include "tree.h"

enum { MAGIC = 0xd00dfeed, BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOTHING = 4 };
enum { HEADER_STRUCTURE = 2, HEADER_STRINGS = 3 };

static const unsigned char *root;

static uint32_t big_endian(const void *at)
{
    const unsigned char *bytes = at;

    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

bool tree_open(const void *tree)
{
    root = tree;
    return big_endian(tree) == MAGIC;
}

/* One step of a walk: a node's name, or a property of the node that was begun last. */
struct step {
    const unsigned char *next;
    uint32_t token;
    const char *name;
    struct property property;
};

static bool walk(struct step *step)
{
    const unsigned char *strings = root + big_endian(root + 4 * HEADER_STRINGS);

    if (!step->next)
        step->next = root + big_endian(root + 4 * HEADER_STRUCTURE);
    const unsigned char *at = step->next + 4;
    step->token = big_endian(step->next);
    switch (step->token) {
    case BEGIN_NODE:
        step->name = (const char *)at;
        step->next = at + ((strlen(step->name) + 4) & ~3ul);
        return true;
    case PROPERTY:
        step->property = (struct property){at + 8, big_endian(at)};
        step->name = (const char *)strings + big_endian(at + 4);
        step->next = at + 8 + ((step->property.size + 3) & ~3u);
        return true;
    case END_NODE:
    case NOTHING:
        step->next = at;
        return true;
    default:
        return false;
    }
}

/* Whether a list of texts has this one. */
static bool has(struct property list, const char *text)
{
    const char *at = list.value, *end = at + list.size;

    for (; at < end; at += strlen(at) + 1) {
        if (strcmp(at, text) == 0)
            return true;
    }
    return false;
}

struct property tree_property(const char *node, const char *name)
{
    struct property found = {NULL, 0};
    bool is_node = false;

    for (struct step step = {0}; walk(&step);) {
        if (step.token == BEGIN_NODE || step.token == END_NODE) {
            if (is_node && found.value)
                return found;
            /* A property before the `compatible` that identifies the node. */
            found.value = NULL;
            is_node = step.token == BEGIN_NODE && memcmp(step.name, node, strlen(node)) == 0;
        } else if (step.token == PROPERTY) {
            is_node |= strcmp(step.name, "compatible") == 0 && has(step.property, node);
            if (strcmp(step.name, name) == 0)
                found = step.property;
        }
    }
    return (struct property){NULL, 0};
}

uint32_t tree_cell(struct property property, unsigned index)
{
    return 4 * index < property.size ? big_endian((const unsigned char *)property.value + 4 * index) : 0;
}

uint64_t tree_cells(struct property property, unsigned index)
{
    return (uint64_t)tree_cell(property, index) << 32 | tree_cell(property, index + 1);
}

unsigned tree_count(const char *name, const char *text)
{
    unsigned count = 0;

    for (struct step step = {0}; walk(&step);)
        count += step.token == PROPERTY && strcmp(step.name, name) == 0 && has(step.property, text);
    return count;
}
