// Included before every C and C++ file of the addon on Linux (Makefile, binding.gyp).
// glibc 2.32 and 2.34 moved these functions from libpthread and libdl into libc and
// gave them new versions, so that what is linked today asks for a new glibc although
// the functions are the same. Here the linker is told to ask for the versions that
// every glibc has; then the addon loads wherever the official builds of Node.js do,
// which need glibc 2.28. test/js/addon.test.mjs fails when something newer slips in.
#ifndef ALKNET_GLIBC_H
#define ALKNET_GLIBC_H

// __gnu_linux__ is Linux with glibc; no header may be included here to ask for more,
// since the files that follow still choose their _GNU_SOURCE.
#if defined(__gnu_linux__) && !defined(__ASSEMBLER__)
#if defined(__x86_64__)
#define ALKNET_GLIBC_BASE "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define ALKNET_GLIBC_BASE "GLIBC_2.17"
#endif
#endif

#ifdef ALKNET_GLIBC_BASE
#define ALKNET_GLIBC_OLD(name) __asm__(".symver " #name "," #name "@" ALKNET_GLIBC_BASE)

ALKNET_GLIBC_OLD(dladdr);
ALKNET_GLIBC_OLD(dlopen);
ALKNET_GLIBC_OLD(dlsym);
ALKNET_GLIBC_OLD(pthread_attr_getstack);
ALKNET_GLIBC_OLD(pthread_attr_getstacksize);
ALKNET_GLIBC_OLD(pthread_create);
ALKNET_GLIBC_OLD(pthread_getattr_np);
ALKNET_GLIBC_OLD(pthread_key_create);
ALKNET_GLIBC_OLD(pthread_setspecific);
ALKNET_GLIBC_OLD(pthread_sigmask);
#endif

#endif
