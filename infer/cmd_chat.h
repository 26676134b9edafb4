/* terse chat, terse-infer chat: a conversation with a model. */
#ifndef TERSE_INFER_CMD_CHAT_H
#define TERSE_INFER_CMD_CHAT_H

#include "infer/run_options.h"

int cmd_chat(const struct model_source *from, int argc, char **argv);

#endif
