/* Everything but the products, on AVX-512. */
#include "kernels/x86/vec_avx512.h"
#include "kernels/x86/x86.h"

#include "kernels/simd/panel_quant.h"
#include "kernels/simd/point.h"
#include "kernels/simd/row.h"

void ops_init_avx512(struct kernels *k)
{
    point_init(k);
    row_init(k);
    panel_init(k);
    panel_quant_init(k);
}
