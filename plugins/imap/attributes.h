/* attributes - reads what FETCH responses tell of a message, as libetpan has parsed them. Pure. */
#ifndef IMAP_ATTRIBUTES_H
#define IMAP_ATTRIBUTES_H

#include <stdbool.h>
#include <stdint.h>

#include <libetpan/mailimap.h>

/* The UID that a response names; 0: none, or more than one. */
uint32_t attributes_uid(const struct mailimap_msg_att *attributes);
/* Whether \Deleted is among the flags. */
bool attributes_deleted(const struct mailimap_msg_att_dynamic *dynamic);

#endif
