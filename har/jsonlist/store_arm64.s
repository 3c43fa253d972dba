//go:build linux

#include "textflag.h"

// func store16(dst, src *byte)
TEXT ·store16(SB), NOSPLIT, $0-16
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	FMOVQ (R1), F0
	FMOVQ F0, (R0)
	RET

// func store32(dst, src, dst2, src2 *byte)
TEXT ·store32(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD dst2+16(FP), R2
	MOVD src2+24(FP), R3
	FMOVQ (R1), F0
	FMOVQ (R3), F1
	FMOVQ F0, (R0)
	FMOVQ F1, (R2)
	RET
