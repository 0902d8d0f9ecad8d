/* link - see link.h. */
#include "common/link.h"

#include <unistd.h>

#include "common/log.h"

void link_init(struct link *link, const struct process *process)
{
	link->process = process;
	link->broker = -1;
}

void link_lose_broker(struct link *link)
{
	if (link->broker >= 0)
		close(link->broker);
	link->broker = -1;
}

enum link_event link_take_control(struct link *link)
{
	if (ipc_receive(link->process->control, &link->inbox) != IPC_OK)
		return LINK_OVER;
	if (link->inbox.message.type == MESSAGE_NEIGHBOUR) {
		link_lose_broker(link);
		link->broker = ipc_take(&link->inbox, 0);
	} else if (link->inbox.message.type == MESSAGE_LOG) {
		log_to(ipc_take(&link->inbox, 0));
	} else {
		return LINK_MESSAGE;
	}
	ipc_inbox_clear(&link->inbox);
	return LINK_NOTHING;
}

bool link_goes_on(struct link *link)
{
	enum link_event event = link_take_control(link);
	bool ends = event == LINK_OVER;

	if (event == LINK_MESSAGE) {
		ends = link->inbox.message.type == MESSAGE_DRAIN || link->inbox.message.type == MESSAGE_STOP;
		ipc_inbox_clear(&link->inbox);
	}
	return !ends;
}

enum link_event link_take_from_broker(struct link *link)
{
	const struct message lost = {.type = MESSAGE_LOST, .u.lost.role = PROCESS_BROKER};

	if (ipc_receive(link->broker, &link->inbox) == IPC_OK)
		return LINK_MESSAGE;
	link_lose_broker(link);
	(void)ipc_send(link->process->control, &lost, NULL);
	return LINK_NOTHING;
}
