#pragma once

// sin, cos, exp and log in double, from additions and multiplications alone: the C library's differ
// in their last bits from one processor and platform to the next, and these make the tables of
// positions, which must not (numerics contract, rule 7). About 1e-16 relative; not for speed.

namespace kinglet::nn {

struct SinCos {
  double sine = 0, cosine = 0;
};

SinCos sin_cos(double x);           // |x| < 2^30
double exponential(double x);       // |x| < 700
double logarithm(double x);         // x > 0, finite
double power(double base, double exponent);  // base > 0

}  // namespace kinglet::nn
