/* cleanup: locals that release themselves, and visible hand-over of ownership. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *p)
{
	free(*(void **)p);
}
static inline void cleanup_fd_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void cleanup_file_(FILE **f)
{
	if (*f)
		fclose(*f);
}
static inline void cleanup_dir_(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _cleanup_free_ __attribute__((cleanup(cleanup_free_)))
#define _cleanup_fd_   __attribute__((cleanup(cleanup_fd_)))
#define _cleanup_file_ __attribute__((cleanup(cleanup_file_)))
#define _cleanup_dir_  __attribute__((cleanup(cleanup_dir_)))

/* The variable gives its value away and keeps none. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
#define take_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *p_ = &(p);                                                          \
		__typeof__(p) taken_ = *p_;                                                        \
		*p_ = NULL;                                                                        \
		taken_;                                                                            \
	})

/* Close and forget; keeps errno; harmless on -1. */
void close_fd(int *fd);

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))

#endif
