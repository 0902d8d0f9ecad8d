/* capability - see capability.h. Pure. Announced in AUTHORIZATION is announced
 * in TRANSACTION too, save STLS, SASL and USER; IMPLEMENTATION only to those who logged in. */
#include "pop3/capability.h"

#include <stdio.h>

#include "common/mechanism.h"
#include "config.h"

size_t capability_reply(const struct capability_facts *facts, char reply[CAPABILITY_REPLY_MAX])
{
	unsigned offered = facts->transaction ? 0 : facts->mechanisms, sasl = offered & mechanism_sasl();
	char delay[48] = "", names[MECHANISM_LIST_MAX];
	int size;

	if (facts->delays)
		snprintf(delay, sizeof(delay), "LOGIN-DELAY %u%s\r\n", facts->login_delay,
			 !facts->transaction && facts->delay_varies ? " USER" : "");
	mechanism_list(sasl, " ", "", names);
	size = snprintf(reply, CAPABILITY_REPLY_MAX,
			"+OK capabilities follow\r\n"
			"TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nUTF8 USER\r\nLANG\r\n"
			"%s%s%s%s%s%s%s.\r\n",
			delay, !facts->transaction && facts->stls ? "STLS\r\n" : "",
			(offered & MECHANISM_BIT(MECHANISM_USER)) != 0 ? "USER\r\n" : "", sasl != 0 ? "SASL" : "",
			names, sasl != 0 ? "\r\n" : "",
			facts->transaction ? "IMPLEMENTATION popgate-" PACKAGE_VERSION "\r\n" : "");
	return (size_t)size;
}
