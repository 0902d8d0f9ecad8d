/* attributes - see attributes.h. Runs in a session process. */
#include "attributes.h"

uint32_t attributes_uid(const struct mailimap_msg_att *attributes)
{
	uint32_t uid = 0;
	bool named = false;

	for (clistiter *at = clist_begin(attributes->att_list); at != NULL; at = clist_next(at)) {
		const struct mailimap_msg_att_item *item = clist_content(at);

		if (item->att_type == MAILIMAP_MSG_ATT_ITEM_STATIC &&
		    item->att_data.att_static->att_type == MAILIMAP_MSG_ATT_UID) {
			uint32_t one = item->att_data.att_static->att_data.att_uid;

			uid = !named || one == uid ? one : 0;
			named = true;
		}
	}
	return uid;
}

bool attributes_deleted(const struct mailimap_msg_att_dynamic *dynamic)
{
	if (dynamic->att_list == NULL)
		return false;
	for (clistiter *at = clist_begin(dynamic->att_list); at != NULL; at = clist_next(at)) {
		const struct mailimap_flag_fetch *flag = clist_content(at);

		if (flag->fl_type == MAILIMAP_FLAG_FETCH_OTHER && flag->fl_flag->fl_type == MAILIMAP_FLAG_DELETED)
			return true;
	}
	return false;
}
