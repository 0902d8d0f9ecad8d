/* extension - lets libetpan pass over what it does not know. */
#ifndef IMAP_EXTENSION_H
#define IMAP_EXTENSION_H

/* One more user of the parser, which libetpan knows from the first on. 0, or -1: no memory. */
int extension_acquire(void);
/* One user less; with the last one libetpan forgets every parser. */
void extension_release(void);

#endif
