/* tally - how many connections each client address has, counted over all
 * front processes in memory that they share. Front process; made by the supervisor.
 *
 * Each front writes its own row only, and empties it when it starts, so that
 * what a dead front had counted is forgotten. The table is bounded: in an
 * overcrowded neighbourhood an address is not counted rather than refused. */
#ifndef POPGATE_COMMON_TALLY_H
#define POPGATE_COMMON_TALLY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct tally; /* the shared mapping */

/* For `fronts` processes. NULL: no memory. */
struct tally *tally_new(unsigned fronts);
void tally_free(struct tally **tally);
/* The process with that index starts: its row is emptied. */
void tally_reset(struct tally *tally, unsigned front);
/* What an address is counted as: an IPv4 address, or an IPv6 network of 64
 * bits. 0 for 127.0.0.1, ::1 and what is neither: they are not counted. */
uint64_t tally_key(const struct tally *tally, const struct sockaddr *address);
/* Likewise of an address that a proxy has told: whoever 127.0.0.1 is there, it is not this machine. */
uint64_t tally_key_told(const struct tally *tally, const struct sockaddr *address);
/* How many connections a front has in all. */
void tally_total(struct tally *tally, unsigned front, unsigned total);
/* Whether another front has fewer than `most`. */
bool tally_has_room(const struct tally *tally, unsigned front, unsigned most);
/* A connection comes; returns how many the key has now, over all fronts. */
unsigned tally_enter(struct tally *tally, unsigned front, uint64_t key);
/* It goes. */
void tally_leave(struct tally *tally, unsigned front, uint64_t key);

#endif
