# SPDX-License-Identifier: Apache-2.0
# A build as a kernel's: files of C, each by the compiler's driver, the compiler and the assembler, an archive of them, and one object linked.
vpath %.c /work/nestor/lib

built.o: lib.a
	ld -r --whole-archive -o $@ $<

lib.a: fmt.o frame.o text.o
	ar rcs $@ $^

%.o: %.c
	gcc-12 -O1 -I/work/nestor -c -o $@ $<
