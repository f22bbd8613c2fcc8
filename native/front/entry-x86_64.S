/* Start of the front: parameters filled in by scripts/inject-front.mjs, then the new ELF entry point. */
	.section .head, "ax"
	.globl front_params
	.hidden front_params
front_params:
	.ascii	"TSRFRONT"
	.quad	0			/* original entry point, relative to front_params */
	.quad	0			/* tsrunc-init, relative to front_params */
	.quad	0			/* its size */
	.quad	0			/* libc's environ, relative to front_params */

/* Here ld.so hands over: rsp at argc, rdx = the function _start registers with atexit. Both must reach _start. */
front_entry:
	endbr64
	movq	%rsp, %rdi
	pushq	%rdx
	subq	$8, %rsp
	call	front_main
	addq	$8, %rsp
	popq	%rdx
	leaq	front_params(%rip), %rax
	addq	front_params+8(%rip), %rax
	jmp	*%rax

	.section .note.GNU-stack, "", @progbits
