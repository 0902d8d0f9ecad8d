/* mechanism - see mechanism.h. One table. */
#include "common/mechanism.h"

#include <string.h>

#include "common/account.h"
#include "common/text.h"
#include "config.h"

#define SASL	    1u	/* AUTH begins it */
#define REVEALING   2u	/* hands a password or a token over */
#define CHALLENGING 4u	/* answers a challenge */
#define BOUND	    8u	/* to TLS */
#define ASKED	    16u /* only where a listener lists it */

static const struct {
	const char *name;
	unsigned kind;
	unsigned proofs; /* any of these must some account have; 0: none need be */
} mechanisms[MECHANISMS] = {
    [MECHANISM_SCRAM_SHA_256_PLUS] = {"SCRAM-SHA-256-PLUS", SASL | CHALLENGING | BOUND,
				      ACCOUNT_SCRAM_SHA_256 | ACCOUNT_SECRET},
    [MECHANISM_SCRAM_SHA_1_PLUS] = {"SCRAM-SHA-1-PLUS", SASL | CHALLENGING | BOUND,
				    ACCOUNT_SCRAM_SHA_1 | ACCOUNT_SECRET},
    [MECHANISM_SCRAM_SHA_256] = {"SCRAM-SHA-256", SASL | CHALLENGING, ACCOUNT_SCRAM_SHA_256 | ACCOUNT_SECRET},
    [MECHANISM_SCRAM_SHA_1] = {"SCRAM-SHA-1", SASL | CHALLENGING, ACCOUNT_SCRAM_SHA_1 | ACCOUNT_SECRET},
    [MECHANISM_CRAM_MD5] = {"CRAM-MD5", SASL | CHALLENGING, ACCOUNT_SECRET},
    [MECHANISM_APOP] = {"APOP", CHALLENGING, ACCOUNT_SECRET},
    [MECHANISM_USER] = {"USER", REVEALING, 0},
    [MECHANISM_PLAIN] = {"PLAIN", SASL | REVEALING, 0},
    [MECHANISM_LOGIN] = {"LOGIN", SASL | REVEALING, 0},
    [MECHANISM_OAUTHBEARER] = {"OAUTHBEARER", SASL | REVEALING | ASKED, 0},
    [MECHANISM_XOAUTH2] = {"XOAUTH2", SASL | REVEALING | ASKED, 0},
};

/* SCRAM is libgsasl's; where that is missing it is as if nobody had listed it. */
#ifdef HAVE_GSASL
static const unsigned absent = 0;
#else
static const unsigned absent = MECHANISM_BIT(MECHANISM_SCRAM_SHA_256_PLUS) | MECHANISM_BIT(MECHANISM_SCRAM_SHA_1_PLUS) |
			       MECHANISM_BIT(MECHANISM_SCRAM_SHA_256) | MECHANISM_BIT(MECHANISM_SCRAM_SHA_1);
#endif

const char *mechanism_name(enum mechanism mechanism)
{
	return mechanisms[mechanism].name;
}

bool mechanism_find(const char *name, size_t size, enum mechanism *mechanism_r)
{
	for (unsigned i = 0; i < MECHANISMS; i++) {
		if (text_same_case(name, size, mechanisms[i].name)) {
			*mechanism_r = (enum mechanism)i;
			return true;
		}
	}
	return false;
}

unsigned mechanism_proofs(enum mechanism mechanism)
{
	return mechanisms[mechanism].proofs;
}

bool mechanism_is_built(enum mechanism mechanism)
{
	return (absent & MECHANISM_BIT(mechanism)) == 0;
}

/* Those with all of `has` and none of `lacks`. */
static unsigned bits_of(unsigned has, unsigned lacks)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < MECHANISMS; i++)
		if ((mechanisms[i].kind & has) == has && (mechanisms[i].kind & lacks) == 0)
			bits |= MECHANISM_BIT(i);
	return bits;
}

unsigned mechanism_default(void)
{
	return bits_of(0, ASKED) & ~absent;
}

unsigned mechanism_sasl(void)
{
	return bits_of(SASL, 0);
}

unsigned mechanism_revealing(void)
{
	return bits_of(REVEALING, 0);
}

unsigned mechanism_challenging(void)
{
	return bits_of(CHALLENGING, 0);
}

unsigned mechanism_bound(void)
{
	return bits_of(BOUND, 0);
}

unsigned mechanism_offered(const struct mechanism_facts *facts)
{
	unsigned bits = (facts->listed != 0 ? facts->listed : mechanism_default()) & ~absent;

	if (!facts->cleartext)
		bits &= ~mechanism_revealing();
	if (!facts->binding)
		bits &= ~mechanism_bound();
	for (unsigned i = 0; i < MECHANISMS; i++)
		if (mechanisms[i].proofs != 0 && (mechanisms[i].proofs & facts->proofs) == 0)
			bits &= ~MECHANISM_BIT(i);
	return bits;
}

void mechanism_list(unsigned bits, const char *before, const char *after, char text_r[MECHANISM_LIST_MAX])
{
	size_t used = 0;

	for (unsigned i = 0; i < MECHANISMS; i++) {
		const char *const parts[] = {before, mechanisms[i].name, after};

		for (size_t k = 0; k < 3 && (bits & MECHANISM_BIT(i)) != 0; k++) {
			size_t size = strlen(parts[k]);

			if (size >= MECHANISM_LIST_MAX - used)
				break;
			memcpy(text_r + used, parts[k], size);
			used += size;
		}
	}
	text_r[used] = '\0';
}
