/* What is shown and kept of routing: the curve of accuracy against tokens, and the threshold on it. */
#ifndef TERSE_RL_CMD_ROUTES_H
#define TERSE_RL_CMD_ROUTES_H

#include "checkpoints/json.h"
#include "train/route_fit.h"

/* Prints what the threshold comes to on the test, and the curve beside random routing, as a table. */
void cmd_routes_print(const struct route_fit *r, const struct route_target *target);
/* Draws the curve on the screen. Errors: those of textplot_draw. */
int cmd_routes_plot(const struct route_fit *r, struct err *e);
/* Adds "routing": {..} to the object that is open. */
void cmd_routes_put(struct js_out *w, const struct route_fit *r, const struct route_target *target);
/* FOLDER/routing.png: the curves of r [n], and random routing. Where gnuplot is not installed there is none.
 * Errors: those of gnuplot_save but TOOL. */
int cmd_routes_png(const struct route_fit *r, int64_t n, const char *folder, struct err *e);

#endif
