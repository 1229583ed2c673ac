/* One entry for each of the 256 vectors; all end in `exception` of exceptions.c. */

/* Vectors with an error code (Intel SDM, volume 3, "Protected-Mode Exceptions and Interrupts"). */
#define HAS_CODE ((1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) | (1 << 17) | (1 << 21))

    .text
    .balign 16
    .globl vectors
vectors:
    .set vector, 0
    .rept 32
    .balign 16
    .if !((HAS_CODE >> vector) & 1)
    pushq $0
    .endif
    pushq $vector
    jmp common
    .set vector, vector + 1
    .endr
    .rept 256 - 32
    .balign 16
    pushq $0
    pushq $vector
    jmp common
    .set vector, vector + 1
    .endr

common:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    cld
    movq %rsp, %rdi
    movq %rsp, %rbx
    andq $-16, %rsp
    call exception
    movq %rbx, %rsp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

    .section .note.GNU-stack, "", @progbits
