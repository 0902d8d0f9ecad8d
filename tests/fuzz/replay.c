/* replay - runs a fuzz target over the inputs that are committed for it, and over files named on the command line.
 * Tells the result as TAP. An input that breaks something ends the program: its name is the last that was said. */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX (4u << 20)

static void replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_MAX);
	size_t size;

	REQUIRE(file != NULL && data != NULL);
	size = fread(data, 1, INPUT_MAX, file);
	fclose(file);
	printf("# %s\n", path);
	fflush(stdout);
	/* of its own size, so that reading beyond it shows */
	data = realloc(data, size > 0 ? size : 1);
	REQUIRE(data != NULL);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static size_t replay_folder(const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, NULL, alphasort);
	size_t replayed = 0;

	for (int i = 0; i < count; i++) {
		char path[4400];
		struct stat status;

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
			replay(path);
			replayed++;
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return replayed;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash != NULL ? slash + 1 : argv[0];
	const char *top = getenv("srcdir");
	char folder[4096];
	size_t replayed = 0;

	if (strncmp(name, "lt-", 3) == 0)
		name += 3;
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%.*s", top != NULL ? top : ".",
		 (int)(strlen(name) - strlen("_fuzz")), name);
	printf("1..1\n");
	for (int i = 1; i < argc; i++, replayed++)
		replay(argv[i]);
	if (argc == 1)
		replayed = replay_folder(folder);
	printf("%s 1 - %s holds for %zu inputs\n", replayed > 0 ? "ok" : "not ok", name, replayed);
	return replayed > 0 ? 0 : 1;
}
