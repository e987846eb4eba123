#include "nmf.h"

#include <saffron/plugin.h>

SAFFRON_PLUGIN("org.saffron.nmf", "0.1.0",
               saffron::component<saffron::plugins::Nmf>(
                   "nmf", "Baseline: non-negative matrix factorisation, or semi-NMF")
                   .describe("Its train node needs `rows` for several passes over `pass_rows`. "
                             "Codes are least squares under f >= 0, solved for at every encoding.")
                   .cite("Lee, Seung 1999, Learning the parts of objects by non-negative matrix "
                         "factorization; Ding, Li, Jordan 2010, Convex and semi-nonnegative matrix "
                         "factorizations"))
