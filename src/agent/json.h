/* json - what a provider answers: one object, bounded in size and depth, out of which strings and numbers are taken.
 * Pure. */
#ifndef POPGATE_AGENT_JSON_H
#define POPGATE_AGENT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX   16384 /* octets */
#define JSON_DEPTH 8

struct json;

/* Reads a whole text. NULL: it is no object, goes beyond a bound, or memory is short. */
struct json *json_parse(const char *text, size_t size);
void json_free(struct json **json);
/* The string of that name, 1 to `most` octets of UTF-8 without control characters; it lives as long as json. NULL:
 * there is none. */
const char *json_string(const struct json *json, const char *name, size_t most);
/* Whether there is a value of that name, whatever it is but null. */
bool json_has(const struct json *json, const char *name);
/* A whole number from 0 to `most`, also one that is written as a string; larger ones are `most`. 0, or -1: there is
 * none. */
int json_number(const struct json *json, const char *name, int64_t most, int64_t *number_r);

#endif
