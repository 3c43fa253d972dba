//go:build linux

#include "textflag.h"

// func store16(dst, src *byte)
TEXT ·store16(SB), NOSPLIT, $0-16
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVOU (SI), X0
	MOVOU X0, (DI)
	RET

// func store32(dst, src, dst2, src2 *byte)
TEXT ·store32(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ dst2+16(FP), R8
	MOVQ src2+24(FP), R9
	MOVOU (SI), X0
	MOVOU (R9), X1
	MOVOU X0, (DI)
	MOVOU X1, (R8)
	RET
