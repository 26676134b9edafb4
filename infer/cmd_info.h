#ifndef TERSE_INFER_CMD_INFO_H
#define TERSE_INFER_CMD_INFO_H

/* terse-infer info: what is in a GGUF file. */
int cmd_info(int argc, char **argv);

#endif
