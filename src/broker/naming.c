/* naming - see naming.h. */
#include "broker/naming.h"

#include <stdlib.h>
#include <string.h>

int naming_read(const struct login *login, const char *given, struct login_name *name_r)
{
	return login_name_read(login->broker->process->conf, login->listener, given, name_r);
}

enum sasl_result naming_settle(struct login *login)
{
	struct login_name name;
	char *user, *folder;

	if (naming_read(login, login->sasl.name, &name) != 0)
		return SASL_MALFORMED;
	user = strdup(name.user);
	folder = name.view ? strdup(name.folder) : NULL;
	if (user == NULL || (name.view && folder == NULL)) {
		free(user);
		free(folder);
		return SASL_NO_MEMORY;
	}
	free(login->sasl.name);
	free(login->folder);
	login->sasl.name = user;
	login->folder = folder;
	return SASL_DONE;
}
