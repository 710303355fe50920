# Holds a sandbox's namespaces open: reaps what is left to it, exits at SIGTERM or SIGINT, and otherwise sleeps.
# The signals stay blocked and are taken one by one, so there is no handler and no stack; a blocked signal also
# reaches a process with number 1, which ignores unblocked ones. Assembled into pause.py; a test compares.
        .text
        .globl _start
_start: mov     $14, %eax               # rt_sigprocmask(SIG_BLOCK, mask, NULL, 8)
        xor     %edi, %edi
        lea     mask(%rip), %rsi
        xor     %edx, %edx
        mov     $8, %r10d
        syscall
next:   mov     $128, %eax              # rt_sigtimedwait(mask, NULL, NULL, 8)
        lea     mask(%rip), %rdi
        xor     %esi, %esi
        xor     %edx, %edx
        mov     $8, %r10d
        syscall
        cmp     $15, %eax               # SIGTERM
        je      done
        cmp     $2, %eax                # SIGINT
        je      done
        cmp     $17, %eax               # SIGCHLD
        jne     next
reap:   mov     $61, %eax               # wait4(-1, NULL, WNOHANG, NULL)
        mov     $-1, %rdi
        xor     %esi, %esi
        mov     $1, %edx
        xor     %r10d, %r10d
        syscall
        test    %eax, %eax
        jg      reap
        jmp     next
done:   mov     $60, %eax               # exit(0)
        xor     %edi, %edi
        syscall
mask:   .quad   (1 << 1) | (1 << 14) | (1 << 16)
