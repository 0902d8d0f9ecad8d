/* extension - lets libetpan pass over what it does not know. */
#ifndef IMAP_EXTENSION_H
#define IMAP_EXTENSION_H

/* Registers the parser with libetpan, once for the process; 0, or -1: no memory. */
int extension_register(void);

#endif
