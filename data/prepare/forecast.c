/* What a build will take, before it takes it. */
#include "data/prepare/run.h"

int run_forecast(struct run *r, bool *missing, struct err *e)
{
    (void)r, (void)e;
    *missing = false;
    run_stage(r, PREPARE_SCAN, 0);
    return 0;
}

int run_forecast_selected(struct run *r, struct err *e)
{
    (void)r, (void)e;
    return 0;
}
