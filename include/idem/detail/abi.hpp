#pragma once

// Names the build of idem a symbol belongs to.
//
// A header compiled with different flags in two objects yields two bodies for one inline function,
// and the linker keeps one of them without a word: the AVX-512 body for the whole program, say,
// which then dies on an older machine. So the two things that change our code under one name are
// part of the name: the instruction set, and whether exceptions exist. Objects that disagree still
// link with each other; a *type* of idem passed between them is an undefined symbol that names the
// cause (idem::v0_avx2::UuidSet), never a silent mix.

#if defined(__AVX512F__)
#define IDEM_ABI_ISA _avx512
#elif defined(__AVX2__)
#define IDEM_ABI_ISA _avx2
#elif defined(__AVX__) || defined(__F16C__) || defined(__FMA__) || defined(__BMI__) || \
    defined(__BMI2__) || defined(__LZCNT__) || defined(__MOVBE__)
#define IDEM_ABI_ISA _avx
#elif defined(__SSE3__) || defined(__SSSE3__) || defined(__SSE4_1__) || defined(__SSE4_2__) || \
    defined(__POPCNT__)
#define IDEM_ABI_ISA _sse4
#elif defined(__SSE2__) && !defined(__x86_64__)
#define IDEM_ABI_ISA _sse2
#elif defined(__ARM_FEATURE_SVE)
#define IDEM_ABI_ISA _sve
#else
#define IDEM_ABI_ISA
#endif

#if defined(__cpp_exceptions)
#define IDEM_ABI_EXCEPTIONS
#else
#define IDEM_ABI_EXCEPTIONS _noexcept
#endif

#define IDEM_ABI_PASTE(version, isa, exceptions) version##isa##exceptions
#define IDEM_ABI_JOIN(version, isa, exceptions) IDEM_ABI_PASTE(version, isa, exceptions)
#define IDEM_ABI IDEM_ABI_JOIN(v0, IDEM_ABI_ISA, IDEM_ABI_EXCEPTIONS)
