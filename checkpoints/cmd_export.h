/* terse export: an adapter for others. */
#ifndef TERSE_CHECKPOINTS_CMD_EXPORT_H
#define TERSE_CHECKPOINTS_CMD_EXPORT_H

int cmd_export(int argc, char **argv);

#endif
