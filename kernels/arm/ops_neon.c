/* Everything but the products, on Advanced SIMD. */
#include "kernels/arm/arm.h"
#include "kernels/arm/vec_neon.h"

#include "kernels/simd/panel_quant.h"
#include "kernels/simd/point.h"
#include "kernels/simd/row.h"

void ops_init_neon(struct kernels *k)
{
    point_init(k);
    row_init(k);
    panel_init(k);
    panel_quant_init(k);
}
