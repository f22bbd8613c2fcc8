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

/* Here ld.so hands over: sp at argc, x0 = the function _start registers with atexit. Both must reach _start. */
front_entry:
	hint	#34			/* bti c */
	mov	x1, sp
	stp	x0, x30, [sp, #-16]!
	mov	x0, x1
	bl	front_main
	ldp	x0, x30, [sp], #16
	adr	x16, front_params
	ldr	x17, [x16, #8]
	add	x16, x16, x17
	br	x16

	.section .note.GNU-stack, "", @progbits
