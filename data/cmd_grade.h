/* terse grade: is an answer right? */
#ifndef TERSE_DATA_CMD_GRADE_H
#define TERSE_DATA_CMD_GRADE_H

int cmd_grade(int argc, char **argv);

#endif
