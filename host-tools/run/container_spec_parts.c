/* container_spec_parts: arena helpers, storages and device rules of a container's specification. */
#include "run/container_spec_parts.h"

#include <string.h>

#include "base/cleanup.h"

void *spec_new(struct spec_builder *b, size_t count, size_t size)
{
	void *p = arena_calloc(b->arena, count ? count : 1, size);

	if (!p)
		b->failed = true;
	return p;
}

char *spec_text(struct spec_builder *b, const char *s)
{
	char *copy = arena_strdup(b->arena, s);

	if (!copy)
		b->failed = true;
	return copy;
}

/* Words of a table row, separated by commas, as a list of strings. */
char **spec_words(struct spec_builder *b, const char *row, size_t *count)
{
	char **list = spec_new(b, strlen(row) / 2 + 1, sizeof(*list));
	char *at = spec_text(b, row), *word;

	*count = 0;
	if (!list || !at)
		return NULL;
	while ((word = strsep(&at, ","))) {
		if (*word)
			list[(*count)++] = word;
	}
	return list;
}

char *spec_print(struct spec_builder *b, const char *format, const char *a, const char *c)
{
	char *out = arena_printf(b->arena, format, a, c);

	if (!out)
		b->failed = true;
	return out;
}

/* ---- storages ---------------------------------------------------------------------------------
 */

static Grpc__Storage *add_storage(struct spec_builder *b, Grpc__CreateContainerRequest *request,
	const char *driver, const char *source, const char *fstype, const char *mount_point)
{
	Grpc__Storage *storage = spec_new(b, 1, sizeof(*storage));

	if (!storage)
		return NULL;
	grpc__storage__init(storage);
	storage->driver = spec_text(b, driver);
	storage->source = spec_text(b, source);
	storage->fstype = spec_text(b, fstype);
	storage->mount_point = spec_text(b, mount_point);
	request->storages[request->n_storages++] = storage;
	return storage;
}

/* Where storages are mounted: below the share's folder, as the runtimes do (host-side.md 5.2). */
#define STORAGE_ROOT "/run/kata-containers/shared/containers/"
/* overlayfs driver option of the agent: directories to make first (agent-api-guest.md). */
#define CREATE_DIRECTORY "io.katacontainers.volume.overlayfs.create_directory="

static void set_options(
	struct spec_builder *b, Grpc__Storage *storage, char *first, char *second, char *third)
{
	storage->options = spec_new(b, 3, sizeof(*storage->options));
	if (!storage->options)
		return;
	storage->options[storage->n_options++] = first;
	if (second)
		storage->options[storage->n_options++] = second;
	if (third)
		storage->options[storage->n_options++] = third;
}

/*
 * The image read-only, a tmpfs of the container's own for what it writes (its pages are charged to
 * the writer's cgroup, so the limit covers them; gone with the container), and both as one overlay.
 */
void spec_build_storages(struct spec_builder *b, Grpc__CreateContainerRequest *request)
{
	const char *id = b->spec->id;
	char *lower = spec_print(b, STORAGE_ROOT "%s%s", id, "/lower");
	char *rw = spec_print(b, STORAGE_ROOT "%s%s", id, "/rw");
	char *root = spec_print(b, STORAGE_ROOT "%s%s", id, "/rootfs");
	char *upper = rw ? spec_print(b, "%s%s", rw, "/upper") : NULL;
	char *work = rw ? spec_print(b, "%s%s", rw, "/work") : NULL;
	char *size = arena_printf(b->arena, "size=%llu", (unsigned long long)b->spec->memory_bytes);
	Grpc__Storage *image, *tmpfs, *overlay;

	request->storages = spec_new(b, 3 + VOLUMES_MAX, sizeof(*request->storages));
	if (b->failed || !size || !upper || !work)
		goto failed;
	image = add_storage(
		b, request, (char *)b->spec->image_driver, b->spec->image_device, "erofs", lower);
	tmpfs = add_storage(b, request, "ephemeral", "tmpfs", "tmpfs", rw);
	overlay = add_storage(b, request, "overlayfs", "overlay", "overlay", root);
	if (!image || !tmpfs || !overlay)
		goto failed;
	set_options(b, image, spec_text(b, "ro"), NULL, NULL);
	set_options(b, tmpfs, spec_text(b, "mode=0755"), size, NULL);
	set_options(b, overlay, spec_print(b, "%s%s", "lowerdir=", lower),
		spec_print(b, "%s%s", "upperdir=", upper), spec_print(b, "%s%s", "workdir=", work));
	overlay->driver_options = spec_new(b, 2, sizeof(*overlay->driver_options));
	if (!overlay->driver_options)
		goto failed;
	overlay->driver_options[overlay->n_driver_options++] =
		spec_print(b, "%s%s", CREATE_DIRECTORY, upper);
	overlay->driver_options[overlay->n_driver_options++] =
		spec_print(b, "%s%s", CREATE_DIRECTORY, work);
	request->oci->root->path = root;
	return;
failed:
	b->failed = true;
}

/* ---- one mount more
 * ------------------------------------------------------------------------------
 */

Grpc__Mount *spec_add_mount(struct spec_builder *b, Grpc__Spec *oci, const char *destination,
	const char *type, const char *source, const char *options)
{
	Grpc__Mount **list = spec_new(b, oci->n_mounts + 1, sizeof(*list));
	Grpc__Mount *mount = spec_new(b, 1, sizeof(*mount));

	if (b->failed)
		return NULL;
	if (oci->n_mounts)
		memcpy(list, oci->mounts, oci->n_mounts * sizeof(*list));
	grpc__mount__init(mount);
	mount->destination = spec_text(b, destination);
	mount->type = spec_text(b, type);
	mount->source = spec_text(b, source);
	mount->options = spec_words(b, options, &mount->n_options);
	oci->mounts = list;
	oci->mounts[oci->n_mounts++] = mount;
	return b->failed ? NULL : mount;
}

/* ---- volumes ----------------------------------------------------------------------------------
 */

/* nodev: device nodes of the host have no business in the guest (runtime-rs has it as well). */
void spec_build_volumes(struct spec_builder *b, Grpc__CreateContainerRequest *request)
{
	const struct volumes *volumes = b->spec->volumes;

	for (unsigned i = 0; !b->failed && i < volumes->count; i++) {
		const struct volume *volume = &volumes->list[i];
		const struct vm_share *share = &volumes->shares[i];
		char *at = arena_printf(b->arena, STORAGE_ROOT "%s/%s", b->spec->id, share->tag);
		Grpc__Mount *mount =
			volume->mount ? volume->mount
				      : spec_add_mount(b, request->oci, volume->guest, "bind", "",
						volume->read_only ? "rbind,rprivate,ro"
								  : "rbind,rprivate");
		Grpc__Storage *storage =
			at ? add_storage(b, request, "virtio-fs", share->tag, "virtiofs", at)
			   : NULL;

		if (!mount || !storage) {
			b->failed = true;
			return;
		}
		set_options(b, storage, spec_text(b, "nodev"),
			share->read_only ? spec_text(b, "ro") : NULL, NULL);
		mount->source = share->file ? spec_print(b, "%s/%s", at, SHARE_FILE_NAME) : at;
	}
}

/* ---- terminal -----------------------------------------------------------------------------------
 */

void spec_build_terminal(struct spec_builder *b, Grpc__Process *process)
{
	Grpc__Box *box;

	if (!b->spec->terminal)
		return;
	process->terminal = true;
	if (b->spec->rows == 0)
		return;
	box = spec_new(b, 1, sizeof(*box));
	if (!box)
		return;
	grpc__box__init(box);
	box->height = b->spec->rows;
	box->width = b->spec->columns;
	process->consolesize = box;
}

/* ---- device rules -----------------------------------------------------------------------------
 */

/* Docker's devices: nothing but these character devices, and ptys. */
static const struct {
	bool allow;
	const char *type;
	int64_t major, minor;
	const char *access;
} device_rows[] = {
	{false, "a", -1, -1, "rwm"}, /* first of all: nothing */
	{true, "c", -1, -1, "m"},    /* nodes may be made, not opened */
	{true, "b", -1, -1, "m"},    /* the same */
	{true, "c", 1, 3, "rwm"},    /* null */
	{true, "c", 1, 5, "rwm"},    /* zero */
	{true, "c", 1, 7, "rwm"},    /* full */
	{true, "c", 1, 8, "rwm"},    /* random */
	{true, "c", 1, 9, "rwm"},    /* urandom */
	{true, "c", 5, 0, "rwm"},    /* tty */
	{true, "c", 5, 1, "rwm"},    /* console */
	{true, "c", 5, 2, "rwm"},    /* ptmx */
	{true, "c", 136, -1, "rwm"}, /* pts */
};

void spec_build_devices(struct spec_builder *b, Grpc__LinuxResources *resources)
{
	Grpc__LinuxDeviceCgroup **given = resources->devices;
	size_t count = resources->n_devices;

	resources->devices =
		spec_new(b, count + ARRAY_SIZE(device_rows), sizeof(*resources->devices));
	if (b->failed)
		return;
	if (count)
		memcpy(resources->devices, given, count * sizeof(*given));
	/* Who gives rules has said what is denied. */
	for (size_t i = count ? 1 : 0; !b->failed && i < ARRAY_SIZE(device_rows); i++) {
		Grpc__LinuxDeviceCgroup *rule = spec_new(b, 1, sizeof(*rule));

		if (!rule)
			return;
		grpc__linux_device_cgroup__init(rule);
		rule->allow = device_rows[i].allow;
		rule->type = spec_text(b, device_rows[i].type);
		rule->major = device_rows[i].major;
		rule->minor = device_rows[i].minor;
		rule->access = spec_text(b, device_rows[i].access);
		resources->devices[resources->n_devices++] = rule;
	}
}
