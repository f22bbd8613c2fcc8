/* tsrunc-init, whole. */
	.section .rodata
	.globl init_image
	.globl init_image_end
	.balign 16
init_image:
	.incbin TSRUNC_INIT
init_image_end:

	.section .note.GNU-stack, "", %progbits
