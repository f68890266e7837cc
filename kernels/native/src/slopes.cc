// A dense layer inside a network: the derivative of the loss by its outputs comes from the layers above it.
#include <algorithm>

#include "classifier.h"

namespace millrace {

/** Copies the slopes of at most kPiece rows to `g_`, and sums them over the rows to `s_`. */
void Classifier::take_slopes(const float* slopes, Size rows) {
  const Model& m = model_;
  std::fill(s_.begin(), s_.end(), 0.0);
  for (Size i = 0; i < rows; i++) {
    const float* from = slopes + i * m.classes;
    std::copy(from, from + m.classes, g_.get() + i * m.stride);
    for (Size k = 0; k < m.classes; k++) s_[k] += from[k];
  }
}

void Classifier::accumulate_slopes(Parameters parameters, const Batch& rows, const float* slopes) {
  model_.W = parameters.W;
  for (Size from = 0; from < rows.rows; from += kPiece) {
    const Batch piece = piece_of(rows, from);
    take_slopes(slopes + from * model_.classes, piece.rows);
    add_piece(piece);
  }
}

void Classifier::step_slopes(Parameters parameters, const Batch& rows, const float* slopes, double eta, double lambda) {
  if (rows_ == 0 && rows.rows == 0) throw NoRows{};
  // The update changes W' together with W.
  fold(parameters);
  if (rows_ == 0 && rows.rows <= kPiece) {
    take_slopes(slopes, rows.rows);
    return update(parameters, rows, eta, lambda);
  }
  accumulate_slopes(parameters, rows, slopes);
  descend(parameters, eta, lambda);
}

void Classifier::input_slopes(Parameters parameters, const float* slopes, Size rows, float* out) {
  const Model& m = model_;
  const Size groups = parts(rows, kGroup), strips = parts(m.features, kStrip);
  // `slopes W` is the gradient `gT x` with the rows of W for x, and a column of g for each row of slopes.
  const Batch weights = {parameters.W, false, m.classes};
  share(groups * strips, double(rows) * m.features * m.classes, [&](int64_t unit, int thread) {
    const Size from = unit / strips * kGroup, strip = unit % strips;
    Model product = {};
    product.features = m.features;
    product.classes = std::min<Size>(kGroup, rows - from);
    product.stride = kGroup;
    float* g = scratch_.get() + thread * 2 * kGroup * m.stride;
    for (Size i = 0; i < product.classes; i++)
      for (Size k = 0; k < m.classes; k++) g[k * kGroup + i] = slopes[(from + i) * m.classes + k];
    arithmetic_.product(product, weights, g, strip, out + from * m.features);
  });
}

}  // namespace millrace
