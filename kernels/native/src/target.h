// Code between TARGET_BEGIN and TARGET_END is compiled for an instruction set of its own. A compiler flag for the whole
// file would also apply to the inline functions of its headers. The linker keeps only one copy of such a function, and
// that copy could then fail on older processors.
#pragma once

#define MILLRACE_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define TARGET_BEGIN(set) MILLRACE_PRAGMA(clang attribute push(__attribute__((target(set))), apply_to = function))
#define TARGET_END _Pragma("clang attribute pop")
#else
#define TARGET_BEGIN(set) _Pragma("GCC push_options") MILLRACE_PRAGMA(GCC target(set))
#define TARGET_END _Pragma("GCC pop_options")
#endif
