/* terse chat: a conversation with a model. */
#ifndef TERSE_CHECKPOINTS_CMD_CHAT_H
#define TERSE_CHECKPOINTS_CMD_CHAT_H

int cmd_chat(int argc, char **argv);

#endif
