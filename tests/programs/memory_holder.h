/* memory_holder: what it holds; see memory_holder.c. */
#ifndef TESTS_PROGRAMS_MEMORY_HOLDER_H
#define TESTS_PROGRAMS_MEMORY_HOLDER_H

#define ANON_MIB   16
#define FILE_MIB   12
#define SHMEM_MIB  8
#define KERNEL_MIB 4

#endif
