/* stream - the mailstream_low driver.
 *
 * Decides nothing: what blocks, fails or is refused does so in the
 * transport. Closing the stream leaves the transport open. Runs in a
 * session process.
 */
#include "stream.h"

#include <stdlib.h>

#define BUFFER_SIZE 8192u

static ssize_t low_read(mailstream_low *low, void *buffer, size_t size)
{
	return transport_read(low->data, buffer, size);
}

static ssize_t low_write(mailstream_low *low, const void *data, size_t size)
{
	return transport_write(low->data, data, size) == 0 ? (ssize_t)size : -1;
}

static int low_close(mailstream_low *low)
{
	(void)low;
	return 0;
}

/* Asked only by libetpan's IDLE, which is not used. */
static int low_get_fd(mailstream_low *low)
{
	(void)low;
	return -1;
}

static void low_free(mailstream_low *low)
{
	free(low);
}

static void low_cancel(mailstream_low *low)
{
	(void)low;
}

static const mailstream_low_driver driver = {
    .mailstream_read = low_read,
    .mailstream_write = low_write,
    .mailstream_close = low_close,
    .mailstream_get_fd = low_get_fd,
    .mailstream_free = low_free,
    .mailstream_cancel = low_cancel,
};

mailstream *stream_new(struct transport *t)
{
	/* libetpan only reads the driver, though it does not say so */
	mailstream_low *low = mailstream_low_new(t, (mailstream_low_driver *)&driver);
	mailstream *stream = low != NULL ? mailstream_new(low, BUFFER_SIZE) : NULL;

	if (stream == NULL)
		free(low);
	return stream;
}
