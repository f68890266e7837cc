// Threads that share numbered units of work with the calling thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace millrace {

/**
 * `run(count, work)` calls `work(unit, thread)` once for every unit, and returns when all units are done.
 *
 * Every thread starts with a range of units of its own. The range is the same in every call, so that data stays in the
 * thread's cache. Then the thread takes units that are left in the other ranges. The caller waits for units, not for
 * threads: if a thread sleeps, or another program has its core, the other threads do its units.
 */
class Pool {
 public:
  explicit Pool(int threads) : ranges_(new Range[threads]), size_(threads) {
    try {
      for (int t = 1; t < threads; t++) threads_.emplace_back([this, t] { work_until_closed(t); });
    } catch (...) {
      close();
      throw;
    }
  }
  ~Pool() { close(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int size() const { return size_; }
  bool is_closed() const { return closing_.load(std::memory_order_relaxed); }

  /** Ends the threads. */
  void close() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closing_.store(true);
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  template <class Work>
  void run(int64_t count, Work& work) {
    if (threads_.empty() || count < 2) {
      for (int64_t unit = 0; unit < count; unit++) work(unit, 0);
      return;
    }
    if (count > UINT32_MAX) throw std::length_error("more units of work in one call than 32 bits count");
    start(count, [](void* context, int64_t unit, int thread) { (*static_cast<Work*>(context))(unit, thread); }, &work);
    take_units(0, job_.load(std::memory_order_relaxed));
    const auto done = [this] { return left_.load(std::memory_order_acquire) == 0; };
    if (spin_until(kCallerSpin, done)) return;
    // Another program has the core of the thread that is not done. That thread can have our core while we sleep.
    while (!done()) std::this_thread::sleep_for(std::chrono::microseconds(5));
  }

 private:
  using Call = void (*)(void*, int64_t, int);

  /** Units not taken yet. `next` contains the number of the job, so that a late thread takes none of another job. */
  struct alignas(128) Range {
    std::atomic<uint64_t> next{0};  // job << 32 | unit
    std::atomic<uint32_t> end{0};

    /** A late thread may have read the old `next` and the new `end`. It must then fail to exchange `next`. */
    void set(uint32_t job, uint32_t from, uint32_t to) {
      next.store(uint64_t(job) << 32 | UINT32_MAX, std::memory_order_relaxed);
      end.store(to, std::memory_order_release);
      next.store(uint64_t(job) << 32 | from, std::memory_order_release);
    }
  };

  using Microseconds = std::chrono::microseconds;
  static constexpr Microseconds kCallerSpin{50};
  // Longer than the pause between two steps of training. The system takes the core from threads that spin for long.
  static constexpr Microseconds kWorkerSpin{20};

  /** Tells the processor that this is a spinning loop. */
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  }

  /** Waits for `event` for some time, without sleeping. Returns whether it is true. */
  template <class Event>
  static bool spin_until(Microseconds time, Event event) {
    if (event()) return true;
    const auto until = std::chrono::steady_clock::now() + time;
    do {
      for (int i = 0; i < 16; i++) {
        if (event()) return true;
        pause();
      }
    } while (std::chrono::steady_clock::now() < until);
    return false;
  }

  /** Offers a job to all threads. */
  void start(int64_t count, Call call, void* context) {
    const uint32_t job = job_.load(std::memory_order_relaxed) + 1;
    left_.store(count, std::memory_order_relaxed);
    call_.store(call, std::memory_order_relaxed);
    context_.store(context, std::memory_order_relaxed);
    for (int t = 0; t < size_; t++)
      ranges_[t].set(job, static_cast<uint32_t>(count * t / size_), static_cast<uint32_t>(count * (t + 1) / size_));
    job_.store(job);
    // Without the lock, because a thread that has lost its core may hold it. A thread that misses this call sleeps on,
    // and the others do its units.
    if (sleeping_.load() > 0) wake_.notify_all();
  }

  /** Takes units of a job and does them until none is left. */
  void take_units(int thread, uint32_t job) {
    for (int i = 0; i < size_; i++) {
      Range& range = ranges_[(thread + i) % size_];
      uint64_t next = range.next.load(std::memory_order_acquire);
      while (next >> 32 == job && static_cast<uint32_t>(next) < range.end.load(std::memory_order_acquire)) {
        const Call call = call_.load(std::memory_order_relaxed);
        void* context = context_.load(std::memory_order_relaxed);
        if (!range.next.compare_exchange_weak(next, next + 1, std::memory_order_acq_rel)) continue;
        // The job cannot end before this unit is done, so `call` and `context`, which were read before, belong to it.
        call(context, static_cast<uint32_t>(next), thread);
        left_.fetch_sub(1, std::memory_order_release);
        next = range.next.load(std::memory_order_acquire);
      }
    }
  }

  void work_until_closed(int thread) {
    uint32_t done = 0;
    while (!closing_.load(std::memory_order_relaxed)) {
      const uint32_t job = job_.load(std::memory_order_acquire);
      if (job == done) {
        wait_for_job(done);
        continue;
      }
      take_units(thread, job);
      done = job;
    }
  }

  /** Waits for a job after `done`. Spins for a moment, then sleeps. */
  void wait_for_job(uint32_t done) {
    const auto is_over = [&] { return job_.load(std::memory_order_acquire) != done || closing_.load(); };
    if (spin_until(kWorkerSpin, is_over)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    sleeping_.fetch_add(1);
    wake_.wait(lock, [&] { return job_.load() != done || closing_.load(); });
    sleeping_.fetch_sub(1);
  }

  const std::unique_ptr<Range[]> ranges_;
  const int size_;
  std::vector<std::thread> threads_;
  alignas(128) std::atomic<uint32_t> job_{0};
  std::atomic<Call> call_{nullptr};
  std::atomic<void*> context_{nullptr};
  alignas(128) std::atomic<int64_t> left_{0};
  alignas(128) std::atomic<int> sleeping_{0};
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace millrace
