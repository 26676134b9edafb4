/* The x86 overlays, weakest first. */
#include "kernels/kernels.h"

void kernels_init_x86(struct kernels *k, unsigned cpu_flags)
{
    (void)k;
    (void)cpu_flags;
}
