/* Tests of edit: accounts files of many looks, changed at random; each change must read back as it was meant, and leave
 * every octet of the others' and every comment. */
#include "conf_support.h"

#include <ctype.h>

#include "accounts/edit.h"
#include "accounts/same.h"
#include "common/account.h"

static struct accounts *read_accounts(const char *text)
{
	struct conf_report report = {0};
	static struct conf *conf;
	struct accounts *accounts;
	char *faults;

	if (conf == NULL)
		conf = support_read("accounts = \"a.conf\";\n" LISTENERS BACKENDS ROUTES);
	support_write("a.conf", text);
	assert_int_equal(chmod("a.conf", 0600), 0);
	accounts = accounts_read(conf, &report);
	faults = support_faults(&report);
	if (*faults != '\0')
		fail_msg("%s in:\n%s", faults, text);
	free(faults);
	return accounts;
}

static struct edit start(const char *text)
{
	return (struct edit){strdup(text), strlen(text)};
}

static void finish(struct edit *edit, const char *expected)
{
	struct accounts *accounts = read_accounts(edit->text);

	assert_string_equal(edit->text, expected);
	assert_int_equal(edit->size, strlen(expected));
	accounts_free(&accounts);
	free(edit->text);
}

/* ---- looks ---- */

static void folders_count_when_accounts_are_compared(void **state)
{
	char archive[] = "Archive", sent[] = "Sent", junk[] = "Junk";
	char *names[] = {archive, sent}, *others[] = {archive, junk}, user[] = "ann";
	struct account a = {.user = user, .folders = {names, 2}}, b = a;

	(void)state;
	assert_true(account_same(&a, &b));
	b.folders.names = others;
	assert_false(account_same(&a, &b));
	b.folders = (struct conf_folders){names, 1};
	assert_false(account_same(&a, &b));
}

static void settings_are_replaced_in_their_place(void **state)
{
	struct edit edit =
	    start("accounts = ( { user = \"ann\"; /* old */ hash = \"$a\" \"b\" /* two */ ; } ) # end\n");
	const char *why;

	(void)state;
	assert_int_equal(edit_set(&edit, 0, "hash", "\"$new\"", &why), 0);
	finish(&edit, "accounts = ( { user = \"ann\"; /* old */ hash = \"$new\" /* two */ ; } ) # end\n");
}

static void values_with_comments_inside_are_not_replaced(void **state)
{
	static const char *const values[] = {"\"$a\" /* odd */ \"b\"", "\"$\\\"\" # \"\n\"b\"", "(1, // x\n2)"};
	const char *why = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		char text[200];
		struct edit edit;

		snprintf(text, sizeof(text), "accounts = ( { user = \"ann\"; hash = %s; } );\n", values[i]);
		edit = start(text);
		assert_int_equal(edit_set(&edit, 0, "hash", "\"$new\"", &why), -1);
		assert_non_null(strstr(why, "comments"));
		assert_string_equal(edit.text, text);
		assert_int_equal(edit_unset(&edit, 0, "hash", &why), 0);
		finish(&edit, "accounts = ( { user = \"ann\"; } );\n");
	}
}

static void what_looks_like_a_comment_in_a_string_is_replaced(void **state)
{
	struct edit edit = start("accounts = ( { user = \"ann\"; hash = \"$# \\\" /* // \" \"#\"; } );\n");
	const char *why;

	(void)state;
	assert_int_equal(edit_set(&edit, 0, "hash", "\"$new\"", &why), 0);
	finish(&edit, "accounts = ( { user = \"ann\"; hash = \"$new\"; } );\n");
}

static void settings_are_added_as_the_others_stand(void **state)
{
	const char *why;
	struct edit edit = start("accounts = (\n\t{\n\t\tuser = \"ann\"; # she\n\t}\n);\n");

	(void)state;
	assert_int_equal(edit_set(&edit, 0, "hash", "\"$x\"", &why), 0);
	finish(&edit, "accounts = (\n\t{\n\t\tuser = \"ann\"; # she\n\t\thash = \"$x\";\n\t}\n);\n");
	edit = start("accounts = (\n  {\n    user = \"ann\"\n  }\n)\n");
	assert_int_equal(edit_set(&edit, 0, "hash", "\"$x\"", &why), 0);
	finish(&edit, "accounts = (\n  {\n    user = \"ann\";\n    hash = \"$x\";\n  }\n)\n");
	edit = start("accounts=({user=\"ann\"},{user:\"bob\",})\n");
	assert_int_equal(edit_set(&edit, 1, "hash", "\"$x\"", &why), 0);
	finish(&edit, "accounts=({user=\"ann\"},{user:\"bob\", hash = \"$x\";})\n");
	edit = start("accounts=({user=\"ann\"},{user:\"bob\",})\n");
	assert_int_equal(edit_set(&edit, 0, "hash", "\"$x\"", &why), 0);
	finish(&edit, "accounts=({user=\"ann\"; hash = \"$x\";},{user:\"bob\",})\n");
}

static void line_ends_are_those_of_the_file(void **state)
{
	const char *why;
	struct edit edit = start("accounts = (\r\n\t{\r\n\t\tuser = \"ann\"; # she\r\n\t}\r\n);\r\n");

	(void)state;
	assert_int_equal(edit_set(&edit, 0, "hash", "\"$x\"", &why), 0);
	assert_string_equal(edit.text,
			    "accounts = (\r\n\t{\r\n\t\tuser = \"ann\"; # she\r\n\t\thash = \"$x\";\r\n\t}\r\n);\r\n");
	assert_int_equal(edit_add_account(&edit, "user = \"bob\";\nfolder = \"x\";", &why), 0);
	assert_int_equal(edit_unset(&edit, 0, "hash", &why), 0);
	finish(&edit, "accounts = (\r\n\t{\r\n\t\tuser = \"ann\"; # she\r\n\t},\r\n\t{\r\n\t\tuser = "
		      "\"bob\";\r\n\t\tfolder = \"x\";\r\n\t}\r\n);\r\n");
	edit = start("accounts = (\r\n);\r\n");
	assert_int_equal(edit_add_account(&edit, "user = \"bob\";\nfolder = \"x\";", &why), 0);
	assert_int_equal(edit_remove_account(&edit, 0, &why), 0);
	finish(&edit, "accounts = (\r\n);\r\n");
}

static void control_characters_are_quoted(void **state)
{
	char *quoted = edit_quote("a\n\"\\\x7f\xc3\xa4");

	(void)state;
	assert_string_equal(quoted, "\"a\\x0a\\\"\\\\\\x7f\xc3\xa4\"");
	free(quoted);
}

static void settings_are_taken_away(void **state)
{
	const char *why;
	struct edit edit = start("accounts = (\n\t{\n\t\tuser = \"ann\";\n\t\tdisabled = true;\n\t}\n);\n");

	(void)state;
	assert_int_equal(edit_unset(&edit, 0, "disabled", &why), 0);
	finish(&edit, "accounts = (\n\t{\n\t\tuser = \"ann\";\n\t}\n);\n");
	edit = start("accounts = ( { user = \"ann\"; disabled = true; } );\n");
	assert_int_equal(edit_unset(&edit, 0, "disabled", &why), 0);
	finish(&edit, "accounts = ( { user = \"ann\"; } );\n");
	edit = start("accounts = (\n{ user = \"ann\";\ndisabled = true; # she is away\n} );\n");
	assert_int_equal(edit_unset(&edit, 0, "disabled", &why), 0);
	finish(&edit, "accounts = (\n{ user = \"ann\";\n # she is away\n} );\n");
	edit = start("accounts = ( { user = \"ann\"; } );\n");
	assert_int_equal(edit_unset(&edit, 0, "disabled", &why), 0);
	finish(&edit, "accounts = ( { user = \"ann\"; } );\n");
}

static void accounts_come_and_go(void **state)
{
	const char *why;
	struct edit edit = start("accounts = ();\n");

	(void)state;
	assert_int_equal(edit_add_account(&edit, "user = \"ann\";\nfolder = \"x\";", &why), 0);
	assert_string_equal(edit.text, "accounts = (\n\t{\n\t\tuser = \"ann\";\n\t\tfolder = \"x\";\n\t}\n);\n");
	assert_int_equal(edit_add_account(&edit, "user = \"bob\";\nfolder = \"x\";", &why), 0);
	assert_int_equal(edit_remove_account(&edit, 0, &why), 0);
	assert_string_equal(edit.text, "accounts = (\n\t{\n\t\tuser = \"bob\";\n\t\tfolder = \"x\";\n\t}\n);\n");
	assert_int_equal(edit_remove_account(&edit, 0, &why), 0);
	finish(&edit, "accounts = (\n);\n");
	edit = start("accounts = ( # all\n  # ann\n  { user = \"ann\"; }, # a\n  # bob\n  { user = \"bob\"; } # b\n  # "
		     "end\n);\n");
	assert_int_equal(edit_add_account(&edit, "user = \"eve\";\nfolder = \"x\";", &why), 0);
	assert_string_equal(edit.text,
			    "accounts = ( # all\n  # ann\n  { user = \"ann\"; }, # a\n  # bob\n  { user = \"bob\"; }, "
			    "# b\n  {\n  \tuser = \"eve\";\n  \tfolder = \"x\";\n  }\n  # end\n);\n");
	assert_int_equal(edit_remove_account(&edit, 2, &why), 0);
	finish(&edit, "accounts = ( # all\n  # ann\n  { user = \"ann\"; }, # a\n  # bob\n  { user = \"bob\"; } # b\n  "
		      "# end\n);\n");
}

static void devices_come_and_go(void **state)
{
	const char *why;
	struct edit edit = start("accounts = ( { user = \"ann\"; } );\n");
	char *text;

	(void)state;
	assert_int_equal(edit_add_device(&edit, 0, "name = \"a\"; key = \"1\";", &why), 0);
	assert_string_equal(edit.text,
			    "accounts = ( { user = \"ann\"; devices = ( { name = \"a\"; key = \"1\"; } ); } );\n");
	assert_int_equal(edit_add_device(&edit, 0, "name = \"b\"; key = \"2\";", &why), 0);
	assert_string_equal(
	    edit.text, "accounts = ( { user = \"ann\"; devices = ( { name = \"a\"; key = \"1\"; }, { name = \"b\"; "
		       "key = \"2\"; } ); } );\n");
	text = strdup(edit.text);
	assert_int_equal(edit_set_device(&edit, 0, 1, "key", "\"3\"", &why), 0);
	assert_int_equal(edit_set_device(&edit, 0, 2, "key", "\"3\"", &why), -1);
	assert_string_equal(
	    edit.text, "accounts = ( { user = \"ann\"; devices = ( { name = \"a\"; key = \"1\"; }, { name = \"b\"; "
		       "key = \"3\"; } ); } );\n");
	assert_int_equal(edit_remove_device(&edit, 0, 0, &why), 0);
	assert_string_equal(edit.text,
			    "accounts = ( { user = \"ann\"; devices = ( { name = \"b\"; key = \"3\"; } ); } );\n");
	assert_int_equal(edit_remove_device(&edit, 0, 0, &why), 0);
	finish(&edit, "accounts = ( { user = \"ann\"; devices = ( ); } );\n");
	edit = (struct edit){text, strlen(text)};
	assert_int_equal(edit_remove_device(&edit, 0, 1, &why), 0);
	assert_string_equal(edit.text,
			    "accounts = ( { user = \"ann\"; devices = ( { name = \"a\"; key = \"1\"; } ); } );\n");
	free(edit.text);
}

/* Brackets, quotes and comments where they mean nothing, and names that look like what they are not. */
static void what_only_looks_like_it_is_passed_over(void **state)
{
	static const char text[] =
	    "/* accounts = ( { user = \"no\"; } ) */\n# accounts = (\n// }\n"
	    "accounts = ( { user = \"a\\\"}),( # /* b\"; folder = \"accounts = (\" /* \" */ \"x\"; },\n"
	    "{ upstream_user = \"user = \\\\\"; user = \"bob\"; } );\n";
	struct edit edit = start(text);
	const char *why;
	size_t count;

	(void)state;
	assert_int_equal(edit_count(&edit, &count, &why), 0);
	assert_int_equal(count, 2);
	assert_int_equal(edit_set(&edit, 1, "user", "\"eve\"", &why), 0);
	assert_non_null(strstr(edit.text, "\"user = \\\\\"; user = \"eve\"; } );\n"));
	assert_memory_equal(edit.text, text, strlen(text) - strlen("bob\"; } );\n"));
	free(edit.text);
}

static void what_cannot_be_edited_is_left(void **state)
{
	static const char *const bad[] = {"@include \"x\"\n",
					  "accounts = (\n@include \"x\"\n);\n",
					  "",
					  "accounts = 5;\n",
					  "accounts = (",
					  "accounts = ( { user = \"ann\"; ",
					  "accounts = ( { user = \"ann",
					  "accounts = ( { user } );\n",
					  "accounts = ( } );\n",
					  "}\n",
					  "accounts",
					  "((((((((((((((((((((((((((((((((((((((((((",
					  "a = ((((((((((((((((((((((((((((((((((((((((((",
					  "accounts = ( ( ) );\n",
					  "accounts = ( { } );\n",
					  "/*"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct edit edit = start(bad[i]);
		const char *why = NULL;

		if (edit_set(&edit, 0, "hash", "\"$x\"", &why) != -1)
			fail_msg("edited: %s", bad[i]);
		assert_string_equal(edit.text, bad[i]);
		assert_non_null(why);
		free(edit.text);
	}
}

/* ---- by chance ---- */

static unsigned seed;

static unsigned chance(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

/* Blanks and comments, each with a mark that must be there again after any change. */
static void blank(FILE *stream, unsigned *marks)
{
	switch (chance(9)) {
	case 0:
		fputs("\n", stream);
		return;
	case 1:
		fprintf(stream, " /* mark%u: } ) ; \" */ ", (*marks)++);
		return;
	case 2:
		fprintf(stream, " # mark%u: { ( \" ,\n\t", (*marks)++);
		return;
	case 3:
		fprintf(stream, " // mark%u: \"\n", (*marks)++);
		return;
	case 4:
		fputs("\r\n    ", stream);
		return;
	default:
		fputs(" ", stream);
	}
}

static void setting(FILE *stream, unsigned *marks, const char *key, const char *value)
{
	blank(stream, marks);
	fputs(key, stream);
	blank(stream, marks);
	fputs(chance(4) == 0 ? ":" : "=", stream);
	blank(stream, marks);
	fputs(value, stream);
	if (chance(6) == 0) {
		fputs(" ", stream);
		return;
	}
	blank(stream, marks);
	fputs(chance(5) == 0 ? "," : ";", stream);
}

#define DEVICE_KEY "\"AAECAwQFBgcICQoLDA0ODw==$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\""

static void devices(FILE *stream, unsigned *marks)
{
	unsigned count = chance(4);

	fputs("devices = (", stream);
	for (unsigned i = 0; i < count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "\"device%u\"", i);
		blank(stream, marks);
		fputs(i > 0 ? ",{" : "{", stream);
		setting(stream, marks, "name", name);
		setting(stream, marks, "key", DEVICE_KEY);
		fputs("}", stream);
	}
	blank(stream, marks);
	fputs(");", stream);
}

static char *invent(unsigned *marks)
{
	unsigned count = chance(5);
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	blank(stream, marks);
	fputs("accounts", stream);
	blank(stream, marks);
	fputs("=", stream);
	blank(stream, marks);
	fputs("(", stream);
	for (unsigned i = 0; i < count; i++) {
		char name[64];

		snprintf(name, sizeof(name), "\"user%u \\\" } ) #\" \"/* \\\\\"", i);
		blank(stream, marks);
		fputs(i > 0 ? ",{" : "{", stream);
		if (chance(3) == 0)
			setting(stream, marks, "folder", "\"f\"");
		setting(stream, marks, "user", name);
		if (chance(2) == 0)
			setting(stream, marks, "disabled", "true");
		if (chance(3) == 0)
			devices(stream, marks);
		if (chance(2) == 0)
			setting(stream, marks, "hash", "\"$old\"");
		blank(stream, marks);
		fputs("}", stream);
	}
	blank(stream, marks);
	fputs(")", stream);
	fputs(chance(2) == 0 ? ";" : "", stream);
	blank(stream, marks);
	fputs("\n", stream);
	fclose(stream);
	return text;
}

/* What a change does to the accounts as they are read. */
static void check_change(const struct accounts *before, const struct accounts *after, unsigned kind, size_t at)
{
	size_t expected = before->count + (kind == 3 ? 1 : 0) - (kind == 4 ? 1 : 0);

	assert_int_equal(after->count, expected);
	for (size_t i = 0; i < before->count; i++) {
		const struct account *a = &before->items[i];
		const struct account *b = kind == 4 && i > at ? &after->items[i - 1] : &after->items[i];
		bool meant = i == at;

		if (kind == 4 && meant)
			continue;
		assert_string_equal(a->user, b->user);
		assert_int_equal((a->folder == NULL), (b->folder == NULL));
		if (kind == 0 && meant)
			assert_string_equal(b->hash, "$new");
		else
			assert_true(a->hash == NULL ? b->hash == NULL : strcmp(a->hash, b->hash) == 0);
		assert_int_equal(b->disabled, kind == 1 && meant ? true : kind == 2 && meant ? false : a->disabled);
		assert_int_equal(b->device_count, a->device_count + (kind == 5 && meant) - (kind == 6 && meant));
	}
	if (kind == 3)
		assert_string_equal(after->items[after->count - 1].user, "new");
}

/* 0; or -1: it does not apply. */
static int change(struct edit *edit, const struct accounts *accounts, unsigned kind, size_t at)
{
	const char *why = NULL;

	if (kind != 3 && accounts->count == 0)
		return -1;
	switch (kind) {
	case 0:
		return edit_set(edit, at, "hash", "\"$new\"", &why);
	case 1:
		return edit_set(edit, at, "disabled", "true", &why);
	case 2:
		return edit_unset(edit, at, "disabled", &why);
	case 3:
		return edit_add_account(edit, chance(2) ? "user = \"new\";" : "user = \"new\";\nfolder = \"g\";", &why);
	case 4:
		return edit_remove_account(edit, at, &why);
	case 5:
		return edit_add_device(edit, at, "name = \"new\"; key = " DEVICE_KEY ";", &why);
	}
	if (accounts->items[at].device_count == 0)
		return -1;
	return edit_remove_device(edit, at, chance((unsigned)accounts->items[at].device_count), &why);
}

/* Every octet of the shorter text is in the longer one, in its order: nothing was moved or rewritten. */
static bool is_within(const char *shorter, const char *longer)
{
	for (; *shorter != '\0' && *longer != '\0'; longer++)
		if (*shorter == *longer)
			shorter++;
	return *shorter == '\0';
}

static unsigned count_marks(const char *text)
{
	unsigned count = 0;

	for (; (text = strstr(text, "mark")) != NULL; text++)
		count++;
	return count;
}

static void any_file_survives_any_change(void **state)
{
	unsigned done[7] = {0};

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		unsigned marks = 0, kind, had;
		struct accounts *before, *after;
		struct edit edit;
		char *text;
		size_t at;

		seed = round * 2654435761u + 1;
		text = invent(&marks);
		before = read_accounts(text);
		kind = chance(7);
		at = before->count == 0 ? 0 : chance((unsigned)before->count);
		edit = start(text);
		had = count_marks(text);
		if (change(&edit, before, kind, at) == 0) {
			after = read_accounts(edit.text);
			check_change(before, after, kind, at);
			/* comments in the middle of what goes go with it */
			if (kind == 0 || kind == 1 || kind == 3 || kind == 5)
				assert_int_equal(count_marks(edit.text), had);
			if (kind == 1 || kind == 3 || kind == 5)
				assert_true(is_within(text, edit.text));
			if (kind == 2 || kind == 4)
				assert_true(is_within(edit.text, text));
			accounts_free(&after);
			done[kind]++;
		} else {
			assert_string_equal(edit.text, text);
		}
		accounts_free(&before);
		free(edit.text);
		free(text);
	}
	for (size_t i = 0; i < 7; i++)
		assert_true(done[i] > 30);
}

static void strings_are_quoted(void **state)
{
	char *quoted = edit_quote("a\"b\\c j\xc3\xb6rg");

	(void)state;
	assert_string_equal(quoted, "\"a\\\"b\\\\c j\xc3\xb6rg\"");
	free(quoted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(folders_count_when_accounts_are_compared),
	    cmocka_unit_test(settings_are_replaced_in_their_place),
	    cmocka_unit_test(values_with_comments_inside_are_not_replaced),
	    cmocka_unit_test(what_looks_like_a_comment_in_a_string_is_replaced),
	    cmocka_unit_test(settings_are_added_as_the_others_stand),
	    cmocka_unit_test(line_ends_are_those_of_the_file),
	    cmocka_unit_test(control_characters_are_quoted),
	    cmocka_unit_test(settings_are_taken_away),
	    cmocka_unit_test(accounts_come_and_go),
	    cmocka_unit_test(devices_come_and_go),
	    cmocka_unit_test(what_only_looks_like_it_is_passed_over),
	    cmocka_unit_test(what_cannot_be_edited_is_left),
	    cmocka_unit_test(any_file_survives_any_change),
	    cmocka_unit_test(strings_are_quoted),
	};

	return cmocka_run_group_tests(tests, support_enter, support_leave);
}
