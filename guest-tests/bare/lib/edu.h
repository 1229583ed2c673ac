/* QEMU's device for teaching, by docs/specs/edu.rst. */

#ifndef EDU_H
#define EDU_H

#include "kiln.h"

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum {
    EDU_IDENTIFICATION = 0x00,
    EDU_LIVENESS = 0x04,
    EDU_FACTORIAL = 0x08,
    EDU_STATUS = 0x20,
    EDU_RAISED = 0x24,
    EDU_RAISE = 0x60,
    EDU_ACKNOWLEDGE = 0x64,
    EDU_DMA_SOURCE = 0x80,
    EDU_DMA_DESTINATION = 0x88,
    EDU_DMA_COUNT = 0x90,
    EDU_DMA_COMMAND = 0x98,
};
/* The device's own buffer, of one page. */
#define EDU_BUFFER 0x40000

/* Finds the device and turns it on: its PCI function. */
unsigned edu_open(void);
uint64_t edu_read(unsigned offset, unsigned size);
void edu_write(unsigned offset, unsigned size, uint64_t value);

#endif
