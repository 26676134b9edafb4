/* terse verifier. */
#ifndef TERSE_RL_CMD_VERIFIER_H
#define TERSE_RL_CMD_VERIFIER_H

int cmd_verifier(int argc, char **argv);

#endif
