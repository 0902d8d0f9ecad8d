/* conf_networks - see conf_networks.h. No I/O. Runs where conf does. */
#include "common/conf_networks.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_strings.h"

static int parse(const struct conf_reader *reader, config_setting_t *setting, const char *what, const char *text,
		 struct network *network)
{
	if (network_parse(text, network) == 0)
		return 0;
	if (strchr(text, '%') != NULL) {
		conf_reader_fault(
		    reader, setting,
		    "`%s` in %s: `%.64s` names a link: write the address without %.64s, it is meant on every "
		    "link",
		    config_setting_name(setting), what, text, strchr(text, '%'));
		return -1;
	}
	conf_reader_fault(reader, setting,
			  "`%s` in %s: `%.64s` is no network: write 192.0.2.0/24 or 2001:db8::/32, with no bit set "
			  "behind the prefix",
			  config_setting_name(setting), what, text);
	return -1;
}

int conf_networks(const struct conf_reader *reader, struct config_setting_t *group, const char *key, const char *what,
		  struct network **networks_r, size_t *count_r)
{
	struct network *networks;
	const char **texts;
	size_t count;
	int result = 0;

	*networks_r = NULL;
	*count_r = 0;
	if (conf_strings(reader, group, key, what, &texts, &count) != 0)
		return -1;
	if (count == 0 && config_setting_get_member(group, key) == NULL)
		return 0;
	if (count == 0) {
		free(texts);
		conf_reader_fault(reader, config_setting_get_member(group, key),
				  "`%s` in %s is an empty list: nobody could log in; remove it, or name some", key,
				  what);
		return -1;
	}
	networks = calloc(count, sizeof(*networks));
	if (networks == NULL) {
		conf_reader_no_memory(reader);
		result = -1;
	}
	for (size_t i = 0; i < count && networks != NULL; i++)
		if (parse(reader, config_setting_get_member(group, key), what, texts[i], &networks[i]) != 0)
			result = -1;
	free(texts);
	if (result != 0) {
		free(networks);
		return -1;
	}
	*networks_r = networks;
	*count_r = count;
	return 0;
}
