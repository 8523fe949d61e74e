/*
 * message_check: walks the bytes of a protobuf message along its descriptor without building
 * anything. Decoding is only done on bytes that passed; responses are walked once more before they
 * leave. Used by message.c. Pure; never sleeps.
 *
 * Wire facts: wire.md section 4; the format itself is Google's (protobuf.dev, "Encoding").
 */
#ifndef TTRPC_MESSAGE_CHECK_H
#define TTRPC_MESSAGE_CHECK_H

#include "base/error.h"

#include <protobuf-c/protobuf-c.h>

/*
 * 0 when every known field has a fitting wire type, every length stays inside, every string is
 * UTF-8 without NUL, nothing nests deeper than MESSAGE_DEPTH_MAX, no group occurs, and what
 * protobuf-c would build takes at most budget bytes. Else err names the field by its path
 * ("grpc.CreateContainerRequest.OCI.Process.Args[3]: bytes are not UTF-8"), with STATUS_UNKNOWN for
 * malformed bytes (-EPROTO) and STATUS_RESOURCE_EXHAUSTED over the budget (-ENOSPC).
 */
int message_check(const ProtobufCMessageDescriptor *desc, const void *data, size_t len,
	size_t budget, struct error *err);

/*
 * In bytes that we encoded ourselves: replaces by '?' each byte of a string that is not part of
 * valid UTF-8, because the other end would refuse the whole message. (A path cut in the middle of a
 * character, a process name from the kernel.) Lengths do not change. Returns how many it replaced.
 */
size_t message_repair(const ProtobufCMessageDescriptor *desc, void *data, size_t len);

#endif
