/* http - see http.h. */
#define CURL_DISABLE_TYPECHECK
#define CURL_DISABLE_DEPRECATION /* the newer options are not in all that we load */
#include "agent/http.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/json.h"
#include "common/fault.h"
#include "common/number.h"
#include "config.h"

#define CONNECT_TIME	10000 /* milliseconds */
#define HEADERS_MAX	65536 /* octets */
#define RETRY_AFTER_MAX 3600  /* seconds */

/* What is used of libcurl. */
static struct {
	CURLcode (*global_init)(long flags);
	CURL *(*easy_init)(void);
	CURLcode (*easy_setopt)(CURL *curl, CURLoption option, ...);
	CURLcode (*easy_perform)(CURL *curl);
	CURLcode (*easy_getinfo)(CURL *curl, CURLINFO info, ...);
	void (*easy_cleanup)(CURL *curl);
	const char *(*easy_strerror)(CURLcode code);
	struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
	void (*slist_free_all)(struct curl_slist *list);
} lib;

static const struct {
	const char *name;
	void *place;
} symbols[] = {
    {"curl_global_init", &lib.global_init},	  {"curl_easy_init", &lib.easy_init},
    {"curl_easy_setopt", &lib.easy_setopt},	  {"curl_easy_perform", &lib.easy_perform},
    {"curl_easy_getinfo", &lib.easy_getinfo},	  {"curl_easy_cleanup", &lib.easy_cleanup},
    {"curl_easy_strerror", &lib.easy_strerror},	  {"curl_slist_append", &lib.slist_append},
    {"curl_slist_free_all", &lib.slist_free_all},
};

int http_load(struct popgate_error *error)
{
	/* the flavour that uses the same TLS library as we do comes first */
	static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl-nss.so.4"};
	void *library = NULL;

	if (lib.global_init != NULL)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && library == NULL; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]) && library != NULL; i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (symbol == NULL)
			library = NULL;
		else
			memcpy(symbols[i].place, &symbol, sizeof(symbol));
	}
	if (library != NULL && lib.global_init(CURL_GLOBAL_ALL) == CURLE_OK)
		return 0;
	lib.global_init = NULL;
	return fault_set(error, POPGATE_PERM, "oauth needs libcurl, which is not there: install it (Debian: libcurl4)");
}

/* ---- what comes ---- */

struct receiving {
	size_t size, headers;
	int64_t retry_after;
	bool too_much;
	char body[JSON_MAX];
};

static size_t take_body(const char *data, size_t one, size_t count, void *context)
{
	struct receiving *receiving = context;
	const size_t size = one * count;

	if (size > sizeof(receiving->body) - receiving->size) {
		receiving->too_much = true;
		return 0;
	}
	memcpy(receiving->body + receiving->size, data, size);
	receiving->size += size;
	return size;
}

static size_t take_header(const char *data, size_t one, size_t count, void *context)
{
	static const char wanted[] = "retry-after:";
	struct receiving *receiving = context;
	size_t size = one * count, begin = sizeof(wanted) - 1, end = size;
	uint64_t seconds;

	receiving->headers += size;
	if (receiving->headers > HEADERS_MAX) {
		receiving->too_much = true;
		return 0;
	}
	if (size <= begin || strncasecmp(data, wanted, begin) != 0)
		return size;
	while (begin < end && data[begin] == ' ')
		begin++;
	while (end > begin && strchr(" \r\n", data[end - 1]) != NULL)
		end--;
	if (number_parse(data + begin, end - begin, UINT32_MAX, &seconds) == 0) /* dates are passed over */
		receiving->retry_after = seconds > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (int64_t)seconds;
	return size;
}

/* ---- the request ---- */

static CURLcode prepare(CURL *curl, const struct conf_provider *provider, const struct http_request *request,
			struct receiving *receiving, struct curl_slist *headers)
{
	const long protocols = provider->insecure ? CURLPROTO_HTTPS | CURLPROTO_HTTP : CURLPROTO_HTTPS;
	CURLcode code = CURLE_OK;

	code |= lib.easy_setopt(curl, CURLOPT_URL, request->url);
	code |= lib.easy_setopt(curl, CURLOPT_PROTOCOLS, protocols);
	code |= lib.easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	code |= lib.easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	code |= lib.easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	code |= lib.easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (provider->ca_file != NULL) {
		code |= lib.easy_setopt(curl, CURLOPT_CAINFO, provider->ca_file);
		code |= lib.easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	code |= lib.easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
	code |= lib.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	code |= lib.easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIME);
	code |= lib.easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)HTTP_TIME);
	code |= lib.easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	code |= lib.easy_setopt(curl, CURLOPT_USERAGENT, "popgate/" PACKAGE_VERSION);
	code |= lib.easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	code |= lib.easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->size);
	code |= lib.easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
	code |= lib.easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	code |= lib.easy_setopt(curl, CURLOPT_WRITEDATA, receiving);
	code |= lib.easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	code |= lib.easy_setopt(curl, CURLOPT_HEADERDATA, receiving);
	return code;
}

static int perform(CURL *curl, const char *url, const struct receiving *receiving, struct http_answer *answer_r,
		   struct popgate_error *error)
{
	const CURLcode code = lib.easy_perform(curl);
	long status = 0;

	if (receiving->too_much)
		return fault_set(error, POPGATE_TEMP, "%.100s: the answer is longer than %d octets", url, JSON_MAX);
	if (code != CURLE_OK)
		return fault_set(error, POPGATE_TEMP, "%.100s: %.100s", url, lib.easy_strerror(code));
	(void)lib.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (receiving->size > 0 && memchr(receiving->body, '\0', receiving->size) != NULL)
		return fault_set(error, POPGATE_TEMP, "%.100s: NUL in the answer", url);
	return secret_set(&answer_r->body, receiving->body, receiving->size) != 0
		   ? fault_set(error, POPGATE_TEMP, "%.100s: the answer is longer than %d octets, or memory is short",
			       url, SECRET_MAX)
		   : (answer_r->status = status, answer_r->retry_after = receiving->retry_after, 0);
}

/* The lines of the head; the caller's to wipe and free. NULL: no memory. */
static struct curl_slist *make_head(const char *more)
{
	struct curl_slist *head = lib.slist_append(NULL, "Accept: application/json"), *longer;

	if (head == NULL || more == NULL)
		return head;
	longer = lib.slist_append(head, more);
	if (longer == NULL)
		lib.slist_free_all(head);
	return longer;
}

static void free_head(struct curl_slist *head)
{
	for (struct curl_slist *line = head; line != NULL; line = line->next)
		secret_wipe(line->data, strlen(line->data));
	lib.slist_free_all(head);
}

int http_post(const struct conf_provider *provider, const struct http_request *request, struct http_answer *answer_r,
	      struct popgate_error *error)
{
	struct receiving *receiving = calloc(1, sizeof(*receiving));
	struct curl_slist *head = NULL;
	CURL *curl = lib.global_init == NULL || receiving == NULL ? NULL : lib.easy_init();
	int result = -1;

	*answer_r = (struct http_answer){0};
	if (curl != NULL)
		head = make_head(request->header);
	if (head == NULL || prepare(curl, provider, request, receiving, head) != CURLE_OK)
		(void)fault_set(error, POPGATE_TEMP, "libcurl cannot be used: out of memory, or too old");
	else
		result = perform(curl, request->url, receiving, answer_r, error);
	if (head != NULL)
		free_head(head);
	if (curl != NULL)
		lib.easy_cleanup(curl);
	if (receiving != NULL)
		secret_wipe(receiving, sizeof(*receiving));
	free(receiving);
	return result;
}

void http_clear(struct http_answer *answer)
{
	secret_clear(&answer->body);
}
