/* qr - see qr.h. Light modules are drawn, dark ones left out, on terminals that are dark; the margin is drawn too. */
#include "agent/qr.h"

#include "config.h"

#ifdef HAVE_QRENCODE

#include <qrencode.h>
#include <stdbool.h>

#define MARGIN	 2
#define MOST	 61 /* modules: what is wider does not fit a screen */
#define INVERTED "\033[40;97m"
#define PLAIN	 "\033[0m"

static bool is_light(const QRcode *code, int x, int y)
{
	if (x < 0 || y < 0 || x >= code->width || y >= code->width)
		return true;
	return (code->data[y * code->width + x] & 1) == 0;
}

int qr_draw(FILE *stream, const char *text)
{
	static const char *const blocks[] = {" ", "\u2584", "\u2580", "\u2588"};
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

	if (code == NULL || code->width > MOST) {
		QRcode_free(code);
		return 0;
	}
	for (int y = -MARGIN; y < code->width + MARGIN; y += 2) {
		fputs("  " INVERTED, stream);
		for (int x = -MARGIN; x < code->width + MARGIN; x++) {
			const bool below = y + 1 >= code->width + MARGIN || is_light(code, x, y + 1);

			fputs(blocks[(is_light(code, x, y) ? 2 : 0) + (below ? 1 : 0)], stream);
		}
		fputs(PLAIN "\n", stream);
	}
	QRcode_free(code);
	return 1;
}

#else

int qr_draw(FILE *stream, const char *text)
{
	(void)stream, (void)text;
	return 0;
}

#endif
