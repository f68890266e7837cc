#include "classifier.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace millrace {

namespace {

constexpr Size padded_to(Size n, Size of) { return parts(n, of) * of; }
constexpr Size padded(Size n) { return padded_to(n, kPad); }

}  // namespace

/** The lengths of the arrays of a classifier. */
struct Classifier::Lengths {
  Lengths(Size features, Size classes, int threads, bool wide)
      : block(wide ? padded_to(parts(features, parts(features, kWideBlock)), kStrip) : kBlock),
        width(padded(features)),
        stride(padded(classes)),
        weights(width * classes),
        fold(parts(features, kStrip) * classes),
        partial(parts(features, block) * kPiece * stride),
        g(kPiece * stride),
        scratch(scratch_length(wide ? classes : 0, stride) * threads) {}
  const Size block, width, stride, weights, fold, partial, g, scratch;
};

double Classifier::bytes(Size features, Size classes, int threads, bool wide) {
  const Lengths n(features, classes, threads, wide);
  const double doubles = double(n.fold) + 2 * double(n.width) + 2 * double(classes);
  const double floats =
      double(n.weights) + double(n.partial) + double(n.g) + double(n.scratch) + 2 * double(n.width) + double(n.stride);
  return doubles * sizeof(double) + floats * sizeof(float);
}

Classifier::Classifier(std::shared_ptr<Pool> pool, const Arithmetic& arithmetic, Size features, Size classes,
                       bool wide)
    : pool_(std::move(pool)), arithmetic_(arithmetic), s_(classes), db_(classes) {
  const Lengths n(features, classes, pool_->size(), wide);
  Model& m = model_;
  m.features = features;
  m.classes = classes;
  m.wide = wide;
  m.block = n.block;
  m.width = n.width;
  m.stride = n.stride;
  weights_ = Array<float>(n.weights);
  bias_ = Array<float>(n.stride);
  fold_ = Array<double>(n.fold);
  mean_ = Array<double>(n.width);
  scale_ = Array<double>(n.width);
  scale32_ = Array<float>(n.width);
  shift32_ = Array<float>(n.width);
  partial_ = Array<float>(n.partial);
  g_ = Array<float>(n.g);
  scratch_ = Array<float>(n.scratch);
  m.folded = weights_.get();
  m.bias = bias_.get();
  m.fold = fold_.get();
  m.mean = mean_.get();
  m.scale = scale_.get();
  m.scale32 = scale32_.get();
  m.shift32 = shift32_.get();
  std::fill(m.bias + classes, m.bias + m.stride, -std::numeric_limits<float>::infinity());
  standardise(nullptr, nullptr);
}

void Classifier::standardise(const double* mean, const double* scale) {
  const size_t size = model_.features * sizeof(double);
  const bool is_same = mean ? model_.affine && !std::memcmp(mean_.get(), mean, size) &&
                                  !std::memcmp(scale_.get(), scale, size)
                            : !model_.affine && scale_.get()[0] == 1;
  if (is_same) return;
  for (Size j = 0; j < model_.features; j++) {
    mean_.get()[j] = mean ? mean[j] : 0;
    scale_.get()[j] = scale ? scale[j] : 1;
    scale32_.get()[j] = static_cast<float>(scale_.get()[j]);
    shift32_.get()[j] = static_cast<float>(-mean_.get()[j] * scale_.get()[j]);
  }
  model_.affine = mean != nullptr;
  is_folded_ = false;
}

/** Checks the labels and copies them to `labels_`. Throws BadLabel. */
void Classifier::check(const LabelledBatch& rows) {
  if (labels_.size() < size_t(rows.rows)) labels_.resize(rows.rows);
  const int32_t* from = rows.labels;
  int32_t* to = labels_.data();
  for (Size i = 0; i < rows.rows; i++) {
    const int32_t label = static_cast<const volatile int32_t*>(from)[i];
    if (label < 0 || label >= model_.classes) throw BadLabel{i, label};
    to[i] = label;
  }
}

/** Computes W' and b' unless they are those of these parameters already. */
void Classifier::fold(Parameters parameters) {
  model_.W = parameters.W;
  if (is_folded_) return;
  share(parts(model_.features, kStrip), double(model_.features) * model_.classes,
        [&](int64_t strip, int) { arithmetic_.fold(model_, strip); });
  sum_bias(parameters.b);
  is_folded_ = true;
}

/** Computes `b' = b - sum of W' * mean`. */
void Classifier::sum_bias(const float* b) {
  const Size strips = parts(model_.features, kStrip);
  for (Size k = 0; k < model_.classes; k++) {
    double sum = 0;
    for (Size strip = 0; strip < strips; strip++) sum += model_.fold[strip * model_.classes + k];
    model_.bias[k] = static_cast<float>(b[k] - sum);
  }
}

/** Computes the partial logits of each block, for at most kPiece rows. */
void Classifier::forward_blocks(const Batch& rows) {
  const Model& m = model_;
  const Size groups = parts(rows.rows, kGroup);
  const Size block_length = rows.rows * m.stride;
  share(parts(m.features, m.block) * groups, double(rows.rows) * m.features * m.classes, [&](int64_t unit, int) {
    const Size block = unit / groups, group = unit % groups;
    float* out = partial_.get() + block * block_length + group * kGroup * m.stride;
    arithmetic_.forward(m, rows, group * kGroup, group_size(rows, group), block, true, out);
  });
}

/** Adds up what `forward_blocks` has computed for a group of rows, and the biases. Returns the logits. */
float* Classifier::sum_blocks(const Batch& rows, Size group) {
  const Model& m = model_;
  const Size blocks = parts(m.features, m.block), block_length = rows.rows * m.stride;
  const int size = group_size(rows, group);
  float* s = partial_.get() + group * kGroup * m.stride;
  for (Size block = 1; block < blocks; block++) arithmetic_.add(s, s + block * block_length, size * m.stride);
  for (int i = 0; i < size; i++) arithmetic_.add(s + i * m.stride, m.bias, m.stride);
  return s;
}

/** Computes `g_` = softmax - onehot of at most kPiece rows, and `s_`, its sum over rows. Returns the sum of losses. */
double Classifier::softmax(const Batch& rows, const int32_t* labels) {
  const Model& m = model_;
  forward_blocks(rows);
  share(parts(rows.rows, kGroup), double(rows.rows) * m.stride * 20, [&](int64_t group, int) {
    const Size from = group * kGroup;
    const float* s = sum_blocks(rows, group);
    for (int i = 0; i < group_size(rows, group); i++) {
      float* g = g_.get() + (from + i) * m.stride;
      losses_[from + i] = arithmetic_.softmax(m, s + i * m.stride, labels[from + i], g).loss;
    }
  });

  double loss = 0;
  std::fill(s_.begin(), s_.end(), 0.0);
  for (Size i = 0; i < rows.rows; i++) {
    loss += losses_[i];
    const float* g = g_.get() + i * m.stride;
    for (Size k = 0; k < m.classes; k++) s_[k] += g[k];
  }
  return loss;
}

double Classifier::step(Parameters parameters, const LabelledBatch& rows, const Step& step) {
  check(rows);
  if (rows_ == 0 && rows.rows == 0) throw NoRows{};
  fold(parameters);
  if (rows_ == 0 && rows.rows <= kPiece) {
    const double loss = softmax(rows, labels_.data());
    update(parameters, rows, step);
    return loss / double(rows.rows);
  }
  add_gradient(rows);
  return descend(parameters, step);
}

/** Updates the parameters with the gradient of the rows that `g_` and `s_` are of. */
void Classifier::update(Parameters parameters, const Batch& rows, const Step& step) {
  const Model& m = model_;
  const double count = double(rows.rows);
  const Update update = {step.eta, step.lambda, count, step.rule, step.numbers, step.first, step.second};
  share(parts(m.features, kStrip), double(rows.rows + 1) * m.features * m.classes, [&](int64_t strip, int) {
    arithmetic_.update(m, rows, g_.get(), s_.data(), update, strip);
  });
  if (step.db) {
    for (Size k = 0; k < m.classes; k++) step.db[k] = static_cast<float>(s_[k] / count);
    return;
  }
  for (Size k = 0; k < m.classes; k++)
    parameters.b[k] = static_cast<float>(parameters.b[k] - step.eta * s_[k] / count);
  sum_bias(parameters.b);
}

/** Updates the parameters with the accumulated gradient. Returns the mean loss. Clears the sums. */
double Classifier::descend(Parameters parameters, const Step& step) {
  if (step.rule != Rule::sgd) return descend_with_state(step);
  const Model& m = model_;
  const double eta = step.eta, lambda = step.lambda;
  consume_gradient([&](Size k, Size j, double mean) {
    float& w = m.W[k * m.features + j];
    w = static_cast<float>(w - eta * (mean + 2 * lambda * w));
  });
  for (Size k = 0; k < m.classes; k++) parameters.b[k] = static_cast<float>(parameters.b[k] - eta * db_[k] / rows_);
  is_folded_ = false;
  return clear_sums();
}

/** The same by a rule that keeps state; it leaves the biases to the caller. */
double Classifier::descend_with_state(const Step& step) {
  const Model& m = model_;
  const Update update = {step.eta, step.lambda, rows_, step.rule, step.numbers, step.first, step.second};
  share(parts(m.features, kStrip), double(m.features) * m.classes, [&](int64_t strip, int) {
    const Size from = strip * kStrip, n = std::min(m.features - from, Size(kStrip));
    float gradient[kStrip];
    for (Size k = 0; k < m.classes; k++) {
      double* sums = m.sums + k * m.width + from;
      for (Size j = 0; j < n; j++) gradient[j] = static_cast<float>(sums[j] / rows_);
      std::fill(sums, sums + n, 0.0);
      arithmetic_.change(m, update, gradient, k * m.features + from, n);
    }
  });
  for (Size k = 0; k < m.classes; k++) step.db[k] = static_cast<float>(db_[k] / rows_);
  is_folded_ = false;
  return clear_sums();
}

void Classifier::accumulate(Parameters parameters, const LabelledBatch& rows) {
  check(rows);
  fold(parameters);
  add_gradient(rows);
}

/** Adds the gradient of rows whose labels have been checked to the sums of the step. */
void Classifier::add_gradient(const LabelledBatch& rows) {
  for (Size from = 0; from < rows.rows; from += kPiece) {
    const Batch piece = piece_of(rows, from);
    loss_ += softmax(piece, labels_.data() + from);
    add_piece(piece);
  }
}

/** Returns at most kPiece rows from row `from`. */
Batch Classifier::piece_of(const Batch& rows, Size from) const {
  const Size row_size = model_.features * (rows.bytes ? 1 : sizeof(float));
  return {static_cast<const char*>(rows.values) + from * row_size, rows.bytes,
          std::min<Size>(kPiece, rows.rows - from)};
}

/** Adds the gradient of the rows that `g_` and `s_` are of to the sums of the step. */
void Classifier::add_piece(const Batch& piece) {
  const Model& m = model_;
  if (!m.sums) allocate_sums();
  share(parts(m.features, kStrip), double(piece.rows) * m.features * m.classes, [&](int64_t strip, int) {
    arithmetic_.accumulate(m, piece, g_.get(), s_.data(), strip);
  });
  for (Size k = 0; k < m.classes; k++) db_[k] += s_[k];
  rows_ += double(piece.rows);
}

double Classifier::gradient(Parameters parameters, double lambda, Parameters out) {
  if (rows_ == 0) throw NoRows{};
  consume_gradient([&](Size k, Size j, double mean) {
    const Size at = k * model_.features + j;
    out.W[at] = static_cast<float>(mean + 2 * lambda * parameters.W[at]);
  });
  for (Size k = 0; k < model_.classes; k++) out.b[k] = static_cast<float>(db_[k] / rows_);
  return clear_sums();
}

void Classifier::allocate_sums() {
  sums_ = Array<double>(model_.width * model_.classes);
  model_.sums = sums_.get();
}

/** Calls `use(k, j, mean)` with the mean gradient of every weight, and sets the sums of the gradient to 0. */
template <class Use>
void Classifier::consume_gradient(Use use) {
  const Model& m = model_;
  share(parts(m.features, kStrip), double(m.features) * m.classes, [&](int64_t strip, int) {
    const Size from = strip * kStrip, to = std::min(m.features, from + kStrip);
    for (Size k = 0; k < m.classes; k++) {
      double* sums = m.sums + k * m.width;
      for (Size j = from; j < to; j++) use(k, j, sums[j] / rows_);
      std::fill(sums + from, sums + to, 0.0);
    }
  });
}

/** Sets the other sums of the step to 0. Returns the mean loss. */
double Classifier::clear_sums() {
  const double mean = loss_ / rows_;
  std::fill(db_.begin(), db_.end(), 0.0);
  loss_ = rows_ = 0;
  return mean;
}

/** Computes the outputs of one group of rows, without the biases, in the scratch memory of a thread. */
float* Classifier::forward_group(const Batch& rows, Size group, int thread) {
  const Model& m = model_;
  const Size blocks = parts(m.features, m.block);
  const int size = group_size(rows, group);
  float* logits = scratch_.get() + 2 * kGroup * m.stride * thread;
  for (Size block = 0; block < blocks; block++)
    arithmetic_.forward(m, rows, group * kGroup, size, block, block == 0, logits);
  return logits;
}

Evaluation Classifier::evaluate(Parameters parameters, const LabelledBatch& rows) {
  check(rows);
  fold(parameters);
  const Model& m = model_;
  const Size groups = parts(rows.rows, kGroup);
  std::vector<Evaluation> parts_of(groups);
  share(groups, double(rows.rows) * m.features * m.classes, [&](int64_t group, int thread) {
    const Size from = group * kGroup;
    float* logits = forward_group(rows, group, thread);
    float* g = logits + kGroup * m.stride;
    Evaluation sum = {0, 0};
    const int size = group_size(rows, group);
    for (int i = 0; i < size; i++) {
      float* s = logits + i * m.stride;
      arithmetic_.add(s, m.bias, m.stride);
      const RowResult result = arithmetic_.softmax(m, s, labels_[from + i], g);
      sum.loss += result.loss;
      sum.correct += result.correct;
    }
    parts_of[group] = sum;
  });
  Evaluation total = {0, 0};
  for (const Evaluation& part : parts_of) {
    total.loss += part.loss;
    total.correct += part.correct;
  }
  return total;
}

double Classifier::penalty(Parameters parameters) const {
  constexpr Size kLanes = 8;  // independent sums, the same number for every instruction set
  double lanes[kLanes] = {};
  const float* w = parameters.W;
  const Size count = model_.features * model_.classes;
  Size i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (Size l = 0; l < kLanes; l++) lanes[l] += double(w[i + l]) * w[i + l];
  for (; i < count; i++) lanes[i % kLanes] += double(w[i]) * w[i];
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

template <class T>
void Classifier::logits(Parameters parameters, const Batch& rows, T* out) {
  fold(parameters);
  const Model& m = model_;
  const Size groups = parts(rows.rows, kGroup);
  if (rows.rows <= kPiece) {
    // More units than groups of rows, for the threads. The order of the sums is the same.
    forward_blocks(rows);
    for (Size group = 0; group < groups; group++) {
      const float* s = sum_blocks(rows, group);
      for (int i = 0; i < group_size(rows, group); i++)
        std::copy(s + i * m.stride, s + i * m.stride + m.classes, out + (group * kGroup + i) * m.classes);
    }
    return;
  }
  share(groups, double(rows.rows) * m.features * m.classes, [&](int64_t group, int thread) {
    const Size from = group * kGroup;
    const float* logits = forward_group(rows, group, thread);
    const int size = group_size(rows, group);
    for (int i = 0; i < size; i++)
      for (Size k = 0; k < m.classes; k++) out[(from + i) * m.classes + k] = logits[i * m.stride + k] + m.bias[k];
  });
}

template void Classifier::logits(Parameters, const Batch&, float*);
template void Classifier::logits(Parameters, const Batch&, double*);

}  // namespace millrace
