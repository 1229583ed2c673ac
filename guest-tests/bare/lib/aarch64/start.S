/* Entry at EL1 with translation off. Memory is mapped where it is, in blocks of 1 GiB (Arm ARM, D8,
 * "Stage 1 attribute fields"). */

#define DEVICE (0x401 | (1 << 53) | (1 << 54))
#define NORMAL (0x705 | (1 << 54))
#define MAIR 0xff00
/* 39 bits, granule of 4 KiB, write-back, inner shareable, 40 bits of physical addresses. */
#define TCR (25 | (1 << 8) | (1 << 10) | (3 << 12) | (1 << 23) | (2 << 32))
#define SCTLR_M_C_I 0x1005
/* The blocks of memory and of MMU_WINDOW. */
#define MEMORY 1
#define WINDOW 448

    .section .text.entry, "ax"
    .globl entry
entry:
    ldr x0, =page_tables
    mov x1, #0
    ldr x2, =DEVICE
    mov x3, #512
    mov x5, #(1 << 30)
1:  orr x4, x1, x2
    str x4, [x0], #8
    add x1, x1, x5
    subs x3, x3, #1
    b.ne 1b
    ldr x0, =page_tables
    ldr x1, =(NORMAL | (MEMORY << 30))
    str x1, [x0, #(8 * MEMORY)]
    str xzr, [x0, #(8 * WINDOW)]
    bl translation_on
    ldr x0, =stack_end
    mov sp, x0
    b start

    /* Where another processor begins; x0 is its stack. */
    .globl processor_entry
processor_entry:
    mov sp, x0
    bl translation_on
    b processor_main

translation_on:
    ldr x1, =MAIR
    msr mair_el1, x1
    ldr x1, =TCR
    msr tcr_el1, x1
    ldr x1, =page_tables
    msr ttbr0_el1, x1
    ldr x1, =exception_vectors
    msr vbar_el1, x1
    dsb sy
    tlbi vmalle1
    dsb sy
    isb
    mrs x1, sctlr_el1
    ldr x2, =SCTLR_M_C_I
    orr x1, x1, x2
    msr sctlr_el1, x1
    isb
    ret
    .ltorg

    .macro vector function
    .balign 128
    sub sp, sp, #192
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    adr x1, \function
    b common
    .endm

    .balign 2048
exception_vectors:
    .rept 4
    vector exception_other
    .endr
    vector exception_synchronous
    vector exception_interrupt
    vector exception_other
    vector exception_other
    .rept 8
    vector exception_other
    .endr

common:
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x29, [sp, #144]
    mrs x2, elr_el1
    stp x30, x2, [sp, #160]
    mrs x3, spsr_el1
    str x3, [sp, #176]
    add x0, sp, #168
    blr x1
    ldr x3, [sp, #176]
    msr spsr_el1, x3
    ldp x30, x2, [sp, #160]
    msr elr_el1, x2
    ldp x18, x29, [sp, #144]
    ldp x16, x17, [sp, #128]
    ldp x14, x15, [sp, #112]
    ldp x12, x13, [sp, #96]
    ldp x10, x11, [sp, #80]
    ldp x8, x9, [sp, #64]
    ldp x6, x7, [sp, #48]
    ldp x4, x5, [sp, #32]
    ldp x2, x3, [sp, #16]
    ldp x0, x1, [sp], #192
    eret

    .bss
    .balign 4096
    .globl page_tables
page_tables:
    .skip 4096
    .skip 16384
stack_end:

    .section .note.GNU-stack, "", %progbits
