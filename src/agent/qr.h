/* qr - draws a QR code in text, two rows of modules a line. Where the build lacks libqrencode, nothing is drawn. */
#ifndef POPGATE_AGENT_QR_H
#define POPGATE_AGENT_QR_H

#include <stdio.h>

/* Draws it to a terminal that shows UTF-8. Whether it did. */
int qr_draw(FILE *stream, const char *text);

#endif
