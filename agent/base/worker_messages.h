/*
 * worker_messages: what worker_process.c and its child worker_child.c say to each other, over a
 * SOCK_SEQPACKET pair; both are the same program, so host byte order and struct layout hold.
 * One question, then one answer a file in the order asked, many in a message: each message wakes
 * the agent, and on one CPU a wake-up costs more than reading a file.
 */
#ifndef BASE_WORKER_MESSAGES_H
#define BASE_WORKER_MESSAGES_H

#include "base/worker_process.h"

#include <stdint.h>

/* Followed by the folder and count names, each ended by NUL. */
struct worker_question {
	uint32_t id, count;
};
#define WORKER_QUESTION_MAX 16384

/* Followed by its text, without NUL or padding: the next one may lie unaligned. errnum > 0: no
 * text. */
struct worker_answer {
	uint32_t id, index;
	int32_t errnum;
	uint32_t len;
};
/* One message: as many answers as there are before one might not fit. */
#define WORKER_BATCH_MAX (2 * (WORKER_FILE_MAX + (int)sizeof(struct worker_answer)))

/* The child's whole life; socket is blocking. */
_Noreturn void worker_child_main(int socket);

#endif
