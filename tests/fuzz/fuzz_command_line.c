/*
 * Fuzz target: the kernel command line and the environment (agent/config.c). Whatever stands there,
 * the agent gets usable values, and what it reports is a sentence.
 */
#include "config.h"

#include "fuzz/fuzz.h"

static void on_report(const char *text, void *context)
{
	FUZZ_CHECK(text[0] && strlen(text) < 4096);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_report report = {.report = on_report};
	struct agent_config config;
	char *text = malloc(size + 1);

	FUZZ_CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	agent_config_init(&config);
	agent_config_parse_cmdline(&config, text, &report);
	agent_config_parse_environment(&config, text, text, &report);
	FUZZ_CHECK(strnlen(config.server_addr, sizeof(config.server_addr)) <
		   sizeof(config.server_addr));
	FUZZ_CHECK(config.server_addr[0]);
	free(text);
	return 0;
}
