/* Time in tests: limits on what something takes, and moments to kill it at. */
#ifndef TERSE_TESTS_CLOCK_H
#define TERSE_TESTS_CLOCK_H

/* Seconds that pass, and seconds of CPU that this thread has used: the machine may be busy with others. */
double wall_seconds(void);
double cpu_seconds(void);
/* How much slower than a good machine's release build a limit has to allow for. */
double slowness(void);
/* Sleeps so many seconds. */
void pause_for(double seconds);

#endif
