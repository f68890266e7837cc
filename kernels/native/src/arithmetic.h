// The arithmetic that exists once per instruction set: a table of functions over plain pointers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

/**
 * A number that the data decides: rows, features, classes, and their products. 150,000 classes times their tiles do not
 * fit into 32 bits. `int` is only for numbers that the constants below bound.
 */
using Size = ptrdiff_t;

// Sums are divided at fixed places, so that results do not depend on the number of threads.
constexpr int kBlock = 768;  // features of one partial logit: their weights for ten classes (30 KB) stay in L1
constexpr int kGroup = 32;   // rows in one unit of forward work
constexpr int kStrip = 128;  // features in one unit of gradient work; divides kBlock
constexpr int kPiece = 256;  // rows whose gradient is summed in float32 before it is added in float64
constexpr int kPad = 16;     // features and classes are padded to the widest vector

// The same inside networks, whose layers are wide: the weights of one tile of a block (20 KB) stay in L1.
constexpr int kWideBlock = 1024;
constexpr int kWideTile = 5;

/**
 * A classifier `p = softmax(W z + b)`, as the functions below see it. uint8 rows `x` represent
 * `z = (x - mean) * scale`. This map is folded into the weights: `W z + b = W' x + b'` with `W' = W * scale` and
 * `b' = b - sum_j W'_j * mean_j`.
 */
struct Model {
  Size features;
  Size classes;
  Size width;   // features, padded
  Size stride;  // classes, padded: the length of a row of logits
  bool affine;
  // Inside a network, a block has other sizes, rows are copied and converted once for all tiles of classes, and `g` is
  // stored as [tile of classes, rows, K]: the rows of wide layers lie so far apart that they displace each other from L1.
  bool wide;
  Size block;    // features of one partial logit: kBlock, or at most kWideBlock
  float* W;       // [classes, features], valid during this call only
  float* folded;  // W', in blocks of `block` features; see `folded_at` in arithmetic.inc
  float* bias;    // b' [stride], padded with -inf
  double* fold;   // sum of W' * mean over each strip, [strips, classes]
  double* sums;   // gradient of the rows accumulated so far, [classes, width]; null before the first `accumulate`
  const double* mean;    // [width], padded with 0
  const double* scale;   // [width], padded with 0; 1 if there is no affine map
  const float* scale32;  // scale in float32
  const float* shift32;  // -mean * scale in float32
};

/** Rows in the caller's memory: `values` [rows, features] of uint8 or float32. */
struct Batch {
  const void* values;
  bool bytes;  // true for uint8
  Size rows;
};

/** Result of one row. */
struct RowResult {
  double loss;   // -log p[label]
  bool correct;  // true if the largest logit (the first of equals) is that of the label
};

enum class Rule { sgd, momentum, nesterov, adam };

/**
 * An update of the weights by the gradient `g = dW / rows + 2 * lambda * W`. `sgd` is `W -= eta * g`. The formulas of the
 * others are in learners/update-rules.ts; they keep one or two numbers for each weight, [classes, features].
 */
struct Update {
  double eta;
  double lambda;
  double rows;
  Rule rule;
  const double* numbers;  // see `ruleNumbers` in dense-layer.ts
  float* first;           // velocity, or mean
  float* second;          // square
};

struct Arithmetic {
  const char* name;

  /** Writes (or, unless `first`, adds) the partial logits of up to kGroup rows from `row` to `out` [rows, stride]. */
  void (*forward)(const Model&, const Batch&, Size row, int rows, Size block, bool first, float* out);

  /** Computes `g = softmax(s) - onehot(label)` [stride] and the result of a row from its logits `s` [stride]. */
  RowResult (*softmax)(const Model&, const float* s, int label, float* g);

  /** Computes `out += addend` for rows of logits. `length` is a multiple of kPad. */
  void (*add)(float* out, const float* addend, Size length);

  /** Updates W, W' and its fold with the gradient `gT z` of one strip. `s` is the sum of `g` over rows. */
  void (*update)(const Model&, const Batch&, const float* g, const double* s, const Update&, Size strip);

  /** Updates `n` weights from W[at] with their gradients `dW / rows`, which begin at `gradient`, by a rule that is not sgd. */
  void (*change)(const Model&, const Update&, const float* gradient, Size at, Size n);

  /** Adds the gradient `gT z` of one strip to `sums`. At most kPiece rows. */
  void (*accumulate)(const Model&, const Batch&, const float* g, const double* s, Size strip);

  /**
   * Writes `gT x` of one strip to `out` [classes, features], but 0 where `relu` of the same shape is 0 or less, unless it
   * is null. Uses the sizes of the model only, which is wide. `copy` has room for kStrip values of each row.
   */
  void (*product)(const Model&, const Batch&, const float* g, Size strip, const float* relu,
                  float* copy, float* out);

  /** Writes `max(0, s)` of `n` values, or `s` itself, to `out`. */
  void (*rectify)(const float* s, Size n, bool is_relu, float* out);

  /** Computes W' and its fold for one strip. */
  void (*fold)(const Model&, Size strip);

  /** Computes integer statistics of all rows for the features from `from` to `to`, at most kStrip. */
  void (*moments)(const uint8_t* values, Size rows, Size features, Size from, Size to, double* sum, double* squares,
                  uint8_t* min, uint8_t* max);
};

/** Each returns null if this build or this processor lacks the instructions. */
const Arithmetic* avx512();
const Arithmetic* avx2();
const Arithmetic* portable();

}  // namespace millrace
