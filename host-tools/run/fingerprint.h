/*
 * fingerprint: a key that changes when a root file system's content may have changed, without
 * reading the content. Of every file: path, type, mode, owner, size, inode, and the times of last
 * change of content and of attributes (ctime cannot be set by anybody). Same key: same content.
 */
#ifndef RUN_FINGERPRINT_H
#define RUN_FINGERPRINT_H

#include "base/error.h"

#include <stdbool.h>

/* 64 hex digits of a SHA-256 (libmd) and NUL. */
#define FINGERPRINT_SIZE 65

/*
 * Of a folder (with all below it) or of one file. salt: what else the result depends on. MAY SLEEP:
 * walks the tree, and waits out the clock tick in which the newest file was changed, so that a
 * later change cannot carry the same time. 0 or negative errno with err naming the file.
 */
int fingerprint_make(
	const char *path, const char *salt, char ret[FINGERPRINT_SIZE], struct error *err);

#endif
