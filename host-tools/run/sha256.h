/* sha256: the hash of FIPS 180-4, for cache keys. Pure. */
#ifndef RUN_SHA256_H
#define RUN_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

struct sha256 {
	uint32_t state[8];
	uint64_t length; /* bytes fed so far */
	uint8_t block[64];
};

void sha256_init(struct sha256 *hash);
void sha256_feed(struct sha256 *hash, const void *data, size_t len);
/* Ends it; hex gets 2 * SHA256_BYTES digits and NUL. */
void sha256_finish_hex(struct sha256 *hash, char hex[2 * SHA256_BYTES + 1]);

#endif
