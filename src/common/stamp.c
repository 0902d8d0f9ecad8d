/* stamp - see stamp.h. */
#include "common/stamp.h"

#include <string.h>
#include <time.h>

void stamp_write(int64_t seconds, char text_r[STAMP_SIZE])
{
	const time_t when = (time_t)seconds;
	struct tm parts;

	if (gmtime_r(&when, &parts) == NULL || strftime(text_r, STAMP_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		memcpy(text_r, "?", sizeof("?"));
}
