/* name: login names under routes with and without folders. A name has one reading: what it says of the user stays the
 * same when it is said again, no delimiter is left in it, nothing is made up, and what is not on a list opens nothing.
 */
#include "common/conf_pattern.h"
#include "common/login_name.h"
#include "common/route.h"

#include "fuzz.h"

/* The structures are made for what is allocated. */
#define TEXT(text) ((char[]){text})

static char *listed[] = {TEXT("Archive"), TEXT("INBOX"), TEXT("Lists/x"), TEXT("\\Junk")};
static struct conf_route routes[] = {
    {.users = TEXT("boss@*"), .listener = CONF_ANY_LISTENER},
    {.users = TEXT("*@b"), .listener = CONF_ANY_LISTENER, .folder_delimiter = '-', .folders = {listed, 1}},
    {.users = TEXT("a*"), .listener = 0, .folder_delimiter = '+', .folders = {listed, 4}},
    {.users = TEXT("*@c"), .listener = CONF_ANY_LISTENER},
};
static struct conf_listener listeners[] = {{.default_domain = TEXT("b"), .percent_domain = true},
					   {.percent_domain = true}};
static const struct conf conf = {.routes = routes,
				 .route_count = 4,
				 .listeners = listeners,
				 .listener_count = 2,
				 .folder_delimiters = "-+",
				 .default_domain = TEXT("c")};

/* All of the given octets but the delimiter are in one or the other, and what was added is a domain. */
static void check_parts(const char *given, size_t listener, const struct login_name *name)
{
	const char *domain = listener == 1 ? "" : listener == 0 ? "b" : "c";
	size_t parts = strlen(name->user) + strlen(name->folder) + (name->view ? 1 : 0);

	REQUIRE(parts == strlen(given) || parts == strlen(given) + 1 + strlen(domain));
	REQUIRE(name->view || *name->folder == '\0');
	REQUIRE(*domain == '\0' || strchr(name->user, '@') != NULL);
	if (name->view)
		REQUIRE(strstr(given, name->folder) != NULL || strchr(given, '%') != NULL);
}

static void check(const char *given, size_t listener)
{
	struct login_name name, again;
	const char *folder;
	size_t route;

	if (login_name_read(&conf, listener, given, &name) != 0)
		return;
	REQUIRE(strlen(name.user) <= LOGIN_NAME_MAX && strlen(name.folder) <= LOGIN_NAME_MAX);
	check_parts(given, listener, &name);
	if (route_find(&conf, listener, name.user, &route) != 0) {
		REQUIRE(!name.view);
		return;
	}
	REQUIRE(routes[route].folder_delimiter == '\0' ||
		memchr(name.user, routes[route].folder_delimiter, conf_pattern_local(name.user)) == NULL);
	REQUIRE(!name.view || routes[route].folder_delimiter != '\0');
	REQUIRE(login_name_read(&conf, listener, name.user, &again) == 0);
	REQUIRE(!again.view && strcmp(again.user, name.user) == 0);
	folder = login_name_folder(&routes[route].folders, name.folder);
	for (size_t i = 0; folder != NULL && folder != listed[i]; i++)
		REQUIRE(i + 1 < sizeof(listed) / sizeof(listed[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	check(text, 0);
	check(text, 1);
	check(text, CONF_ANY_LISTENER);
	free(text);
	return 0;
}
