/* Everything but the products, on AVX2. */
#include "kernels/x86/vec_avx2.h"
#include "kernels/x86/x86.h"

#include "kernels/simd/panel_quant.h"
#include "kernels/simd/point.h"
#include "kernels/simd/row.h"

void ops_init_avx2(struct kernels *k)
{
    point_init(k);
    row_init(k);
    panel_init(k);
    panel_quant_init(k);
}
