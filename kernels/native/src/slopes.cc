// A dense layer inside a network: the derivative of the loss by its outputs comes from the layers above it.
#include <algorithm>

#include "classifier.h"

namespace millrace {

namespace {

/** Calls `tile(k0, K)` for the tiles of a wide layer: the same as `each_tile` in arithmetic.inc. */
template <class Tile>
void each_wide_tile(Size classes, Tile tile) {
  const Size tiles = parts(classes, kWideTile);
  for (Size t = 0; t < tiles; t++) {
    const Size from = classes * t / tiles;
    tile(from, classes * (t + 1) / tiles - from);
  }
}

}  // namespace

/** Copies the slopes of at most kPiece rows to `g_`, tile by tile, and sums them over the rows to `s_`. */
void Classifier::take_slopes(const float* slopes, Size rows) {
  const Size classes = model_.classes;
  each_wide_tile(classes, [&](Size k0, Size K) {
    float* to = g_.get() + k0 * rows;
    double sums[kWideTile] = {};
    for (Size i = 0; i < rows; i++) {
      const float* from = slopes + i * classes + k0;
      for (Size k = 0; k < K; k++) {
        to[i * K + k] = from[k];
        sums[k] += from[k];
      }
    }
    std::copy(sums, sums + K, s_.begin() + k0);
  });
}

void Classifier::accumulate_slopes(Parameters parameters, const Batch& rows, const float* slopes) {
  model_.W = parameters.W;
  for (Size from = 0; from < rows.rows; from += kPiece) {
    const Batch piece = piece_of(rows, from);
    take_slopes(slopes + from * model_.classes, piece.rows);
    add_piece(piece);
  }
}

void Classifier::step_slopes(Parameters parameters, const Batch& rows, const float* slopes, const Step& step) {
  if (rows_ == 0 && rows.rows == 0) throw NoRows{};
  // The update changes W' together with W.
  fold(parameters);
  if (rows_ == 0 && rows.rows <= kPiece) {
    take_slopes(slopes, rows.rows);
    return update(parameters, rows, step);
  }
  accumulate_slopes(parameters, rows, slopes);
  descend(parameters, step);
}

void Classifier::outputs(Parameters parameters, const Batch& rows, bool is_relu, float* out) {
  fold(parameters);
  const Model& m = model_;
  const auto write = [&](const float* s, Size from, int size) {
    for (int i = 0; i < size; i++) arithmetic_.rectify(s + i * m.stride, m.classes, is_relu, out + (from + i) * m.classes);
  };
  for (Size from = 0; from < rows.rows; from += kPiece) {
    const Batch piece = piece_of(rows, from);
    forward_blocks(piece);
    share(parts(piece.rows, kGroup), double(piece.rows) * m.stride * 10, [&](int64_t group, int) {
      write(sum_blocks(piece, group), from + group * kGroup, group_size(piece, group));
    });
  }
}

void Classifier::input_slopes(Parameters parameters, const float* slopes, Size rows, const float* relu, float* out) {
  for (Size from = 0; from < rows; from += kPiece) {
    const Size size = std::min<Size>(kPiece, rows - from), at = from * model_.features;
    multiply_slopes(parameters, slopes + from * model_.classes, size, relu ? relu + at : nullptr, out + at);
  }
}

/** The same for at most kPiece rows. */
void Classifier::multiply_slopes(Parameters parameters, const float* slopes, Size rows, const float* relu, float* out) {
  const Model& m = model_;
  const Size groups = parts(rows, kProductRows), strips = parts(m.features, kStrip);
  // Once for all strips: to [group, tile of rows, classes, K].
  share(groups, double(rows) * m.classes * 10, [&](int64_t group, int) {
    const Size from = group * kProductRows;
    each_wide_tile(std::min<Size>(kProductRows, rows - from), [&](Size k0, Size K) {
      float* to = g_.get() + (from + k0) * m.classes;
      const float* row = slopes + (from + k0) * m.classes;
      for (Size k = 0; k < m.classes; k++)
        for (Size i = 0; i < K; i++) *to++ = row[i * m.classes + k];
    });
  });
  // `slopes W` is the gradient `gT x` with the rows of W for x, and a column of g for each row of slopes.
  const Batch weights = {parameters.W, false, m.classes};
  share(groups * strips, double(rows) * m.features * m.classes, [&](int64_t unit, int thread) {
    const Size from = unit / strips * kProductRows, strip = unit % strips;
    Model product = {};
    product.wide = true;
    product.features = m.features;
    product.classes = std::min<Size>(kProductRows, rows - from);
    float* copy = scratch_.get() + thread * scratch_length(m.classes, m.stride);
    const Size at = from * m.features;
    arithmetic_.product(product, weights, g_.get() + from * m.classes, strip, relu ? relu + at : nullptr, copy, out + at);
  });
}

}  // namespace millrace
