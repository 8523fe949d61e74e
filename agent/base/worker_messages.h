/*
 * worker_messages: what worker_process.c and its child worker_child.c say to each other, over a
 * SOCK_SEQPACKET pair; both are the same program, so host byte order and struct layout hold.
 * One question, then one answer a file in the order asked.
 */
#ifndef BASE_WORKER_MESSAGES_H
#define BASE_WORKER_MESSAGES_H

#include "base/worker_process.h"

#include <stdint.h>

/* Followed by the folder and count names, each ended by NUL. */
struct worker_question {
	uint32_t id, count;
};
#define WORKER_QUESTION_MAX 8192

/* As long as its text: no NUL, no padding. errnum > 0: no text. */
struct worker_answer {
	uint32_t id, index;
	int32_t errnum;
	char text[WORKER_FILE_MAX];
};

/* The child's whole life; socket is blocking. */
_Noreturn void worker_child_main(int socket);

#endif
