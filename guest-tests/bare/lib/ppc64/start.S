/* Entry from the firmware with its client interface in r5; exceptions; calls that C cannot make. */

#define MSR_SF_SHIFT 63

    .section .text.entry, "ax"
    .globl entry
entry:
    mfmsr 11
    li 12, 1
    sldi 12, 12, MSR_SF_SHIFT
    or 11, 11, 12
    mtmsrd 11
    isync
    lis 2, .TOC.@ha
    addi 2, 2, .TOC.@l
    lis 1, stack_end@ha
    addi 1, 1, stack_end@l
    addi 1, 1, -64
    lis 4, client_entry@ha
    std 5, client_entry@l(4)
    bl start
    nop

    /* Where another processor begins; r3 is its stack. */
    .globl processor_entry
processor_entry:
    mr 1, 3
    lis 2, .TOC.@ha
    addi 2, 2, .TOC.@l
    bl processor_main
    nop

    /* uint64_t client_call(void *arguments): the firmware has 32 bits. */
    .globl client_call
client_call:
    mflr 0
    std 0, 16(1)
    stdu 1, -256(1)
    std 2, 32(1)
    .set register, 13
    .rept 19
    std register, 8 * (register - 13) + 48(1)
    .set register, register + 1
    .endr
    mfcr 0
    std 0, 208(1)
    mfmsr 11
    std 11, 216(1)
    lis 4, client_entry@ha
    ld 4, client_entry@l(4)
    mtctr 4
    li 12, 1
    sldi 12, 12, MSR_SF_SHIFT
    andc 11, 11, 12
    mtmsrd 11
    isync
    bctrl
    ld 11, 216(1)
    mtmsrd 11
    isync
    ld 0, 208(1)
    mtcr 0
    .set register, 13
    .rept 19
    ld register, 8 * (register - 13) + 48(1)
    .set register, register + 1
    .endr
    ld 2, 32(1)
    addi 1, 1, 256
    ld 0, 16(1)
    mtlr 0
    blr

    /* int64_t hypervisor_call(uint64_t number, const uint64_t arguments[4], uint64_t *result) */
    .globl hypervisor_call
hypervisor_call:
    std 5, -8(1)
    mr 9, 4
    ld 4, 0(9)
    ld 5, 8(9)
    ld 6, 16(9)
    ld 7, 24(9)
    sc 1
    ld 5, -8(1)
    cmpdi 5, 0
    beqlr
    std 4, 0(5)
    blr

    /* What is copied to each vector, with its number in the second instruction. */
    .globl vector_stub
vector_stub:
    mtspr 272, 13
    li 13, 0
    ba exception_entry

    /* The 288 bytes below the stack pointer belong to the function that was interrupted. */
exception_entry:
    mtspr 273, 1
    addi 1, 1, -288 - 320
    std 0, 48(1)
    std 2, 64(1)
    .set register, 3
    .rept 10
    std register, 8 * register + 48(1)
    .set register, register + 1
    .endr
    mfspr 0, 272
    std 0, 8 * 13 + 48(1)
    mfspr 0, 273
    std 0, 56(1)
    mfcr 0
    std 0, 200(1)
    mflr 0
    std 0, 208(1)
    mfctr 0
    std 0, 216(1)
    mfxer 0
    std 0, 224(1)
    mfspr 0, 26
    std 0, 232(1)
    mfspr 0, 27
    std 0, 240(1)
    std 13, 248(1)
    addi 3, 1, 48
    lis 2, .TOC.@ha
    addi 2, 2, .TOC.@l
    bl exception
    nop
    ld 0, 240(1)
    mtspr 27, 0
    ld 0, 232(1)
    mtspr 26, 0
    ld 0, 224(1)
    mtxer 0
    ld 0, 216(1)
    mtctr 0
    ld 0, 208(1)
    mtlr 0
    ld 0, 200(1)
    mtcr 0
    .set register, 2
    .rept 12
    ld register, 8 * register + 48(1)
    .set register, register + 1
    .endr
    ld 0, 48(1)
    ld 1, 56(1)
    rfid

    .bss
    .balign 16
    .globl client_entry
client_entry:
    .skip 16
    .skip 32768
stack_end:

    .section .note.GNU-stack, "", @progbits
