// The same as pause.x86_64.s; system call numbers are those of asm-generic/unistd.h.
        .text
        .globl _start
_start: mov     x8, #135                // rt_sigprocmask(SIG_BLOCK, mask, NULL, 8)
        mov     x0, #0
        adr     x1, mask
        mov     x2, #0
        mov     x3, #8
        svc     #0
next:   mov     x8, #137                // rt_sigtimedwait(mask, NULL, NULL, 8)
        adr     x0, mask
        mov     x1, #0
        mov     x2, #0
        mov     x3, #8
        svc     #0
        cmp     w0, #15                 // SIGTERM
        b.eq    done
        cmp     w0, #2                  // SIGINT
        b.eq    done
        cmp     w0, #17                 // SIGCHLD
        b.ne    next
reap:   mov     x8, #260                // wait4(-1, NULL, WNOHANG, NULL)
        mov     x0, #-1
        mov     x1, #0
        mov     x2, #1
        mov     x3, #0
        svc     #0
        cmp     w0, #0
        b.gt    reap
        b       next
done:   mov     x8, #93                 // exit(0)
        mov     x0, #0
        svc     #0
        .balign 8
mask:   .quad   (1 << 1) | (1 << 14) | (1 << 16)
