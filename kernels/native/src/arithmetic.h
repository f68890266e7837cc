// What the instruction sets offer to the rest: one table of functions each, over plain pointers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

// Sums are cut at fixed places, so that no result depends on the number of threads.
constexpr int kBlock = 768;  // features of one partial logit: their weights for ten classes (20 KB) stay in L1
constexpr int kGroup = 32;   // rows that one unit of forward work takes through a block
constexpr int kStrip = 128;  // features of one unit of gradient work; divides kBlock
constexpr int kPiece = 256;  // rows whose gradient is summed in float32 before it is added up in float64
constexpr int kPad = 16;     // features and classes are padded to the widest vector

/**
 * A classifier `p = softmax(W z + b)` as the functions below see it. uint8 rows `x` stand for
 * `z = (x - mean) * scale`, which is folded into the weights: `W z + b = W' x + b'` with
 * `W' = W * scale` and `b' = b - sum_j W'_j * mean_j`.
 */
struct Model {
  int features;
  int classes;
  int width;   // features, padded
  int stride;  // classes, padded: length of a row of logits
  bool affine;
  float* W;       // [classes, features], of this call only
  float* folded;  // W', in blocks of kBlock features; see `folded_at` in arithmetic.inc
  float* bias;    // b' [stride], padded with -inf
  double* fold;   // sum of W' * mean over one strip, [strips, classes]
  double* sums;   // gradient in progress, [classes, width]; null until something is accumulated
  const double* mean;    // [width], padded with 0
  const double* scale;   // [width], padded with 0; 1 where there is no affine map
  const float* scale32;  // scale, and
  const float* shift32;  // -mean * scale, in float32
};

/** Rows in place: `values` [rows, features] of uint8 or float32. */
struct Batch {
  const void* values;
  bool bytes;
  ptrdiff_t rows;
};

/** Of one row: `-log p[label]`, and whether its largest logit (first of equals) is its label's. */
struct Outcome {
  double loss;
  bool correct;
};

/** `W -= eta * (dW / rows + 2 * lambda * W)` */
struct Descent {
  double eta;
  double lambda;
  double rows;
};

struct Arithmetic {
  const char* name;

  /** Partial logits of up to kGroup rows from row `row`: sets (or, unless `first`, adds to) `out` [rows, stride]. */
  void (*forward)(const Model&, const Batch&, ptrdiff_t row, int rows, int block, bool first, float* out);

  /** From a row of logits `s` [stride] to `g = softmax(s) - onehot(label)` [stride] and its outcome. */
  Outcome (*softmax)(const Model&, const float* s, int label, float* g);

  /** `out += addend` over rows of logits, length a multiple of kPad. */
  void (*add)(float* out, const float* addend, ptrdiff_t length);

  /** One strip of a step: the gradient `gT z`, the descent, W' and its fold. `s` is the sum of `g` over rows. */
  void (*descend)(const Model&, const Batch&, const float* g, const double* s, const Descent&, int strip);

  /** One strip of the gradient `gT z`, added to `sums`. At most kPiece rows. */
  void (*collect)(const Model&, const Batch&, const float* g, const double* s, int strip);

  /** One strip of W' and its fold from W. */
  void (*fold)(const Model&, int strip);

  /** Integer statistics of features `from` to `to` (at most kStrip) of all rows. */
  void (*moments)(const uint8_t* values, ptrdiff_t rows, int features, int from, int to, double* sum, double* squares,
                  uint8_t* min, uint8_t* max);
};

/** Null where this build or this processor lacks the instructions. */
const Arithmetic* avx512();
const Arithmetic* avx2();
const Arithmetic* portable();

}  // namespace millrace
