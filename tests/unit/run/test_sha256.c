/* sha256: the examples of FIPS 180-4 and of NIST's validation, fed in pieces. */
#include <string.h>

#include "lib/test_main.h"
#include "run/sha256.h"

static void expect(const char *text, size_t piece, const char *want)
{
	char hex[2 * SHA256_BYTES + 1];
	struct sha256 hash;
	size_t len = strlen(text);

	sha256_init(&hash);
	for (size_t at = 0; at < len; at += piece)
		sha256_feed(&hash, text + at, len - at < piece ? len - at : piece);
	sha256_finish_hex(&hash, hex);
	assert_string_equal(hex, want);
}

static void known_answers(void **state)
{
	expect("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	expect("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	for (size_t piece = 1; piece < 60; piece += 7)
		expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", piece,
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void a_million_letters(void **state)
{
	char hex[2 * SHA256_BYTES + 1], chunk[1000];
	struct sha256 hash;

	memset(chunk, 'a', sizeof(chunk));
	sha256_init(&hash);
	for (int i = 0; i < 1000; i++)
		sha256_feed(&hash, chunk, sizeof(chunk));
	sha256_finish_hex(&hash, hex);
	assert_string_equal(
		hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(known_answers),
	cmocka_unit_test(a_million_letters),
};

TEST_MAIN(tests)
