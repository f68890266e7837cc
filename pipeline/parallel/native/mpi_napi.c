// Moves bytes between the ranks of an MPI job, for ../mpi.ts. It is built on demand against the MPI of the site,
// because the handles of communicators and types differ between implementations and must come from its own mpi.h.
//
// All operations are non-blocking and polled. A waiting thread can therefore be stopped, and it knows which rank it
// waits for. It does not hold the lock while it sleeps, so that one call at a time is inside MPI
// (MPI_THREAD_SERIALIZED).
#define NAPI_VERSION 8
#define _GNU_SOURCE
#include <limits.h>
#include <mpi.h>
#include <node_api.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FAILURE_BYTES = 4096 };
// How long a call polls on the event loop before a thread takes over, in seconds. Most messages arrive in this time.
static const double kSpin = 150e-6;

typedef enum { UNDER_WAY, DONE, LATE, WRONG_LENGTH, FAILED, CANCELLED, BROKEN } Outcome;

typedef struct {
  napi_async_work work;
  napi_deferred deferred;
  napi_ref memory;
  int count;  // number of requests
  MPI_Request* requests;
  int* ranks;      // the rank of each request: `rank` for a receive from it, `-1 - rank` for a send to it
  int* lengths;    // the length that each receive expects, in bytes
  int* completed;  // output of MPI_Testsome: indices of completed requests
  MPI_Status* statuses;
  double deadline;  // on the clock of `now`; 0: none
  Outcome outcome;
  int rank, length;
  char text[FAILURE_BYTES];
} Operation;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static MPI_Comm messages, sums, failures;
static int rank, size;
static int is_open = 0;
static atomic_int cancelled;
static MPI_Request failure = MPI_REQUEST_NULL;
static char failure_text[FAILURE_BYTES];
static char own_failure[FAILURE_BYTES];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static napi_value fail(napi_env env, const char* message) {
  napi_throw_error(env, NULL, message);
  return NULL;
}

/** Checks a completed request: sets the outcome if it failed or if the other rank sent another length. */
static void check_request(Operation* op, int i, MPI_Status* status, int error) {
  if (op->ranks[i] < 0) {
    if (error != MPI_SUCCESS) op->outcome = BROKEN;
    return;
  }
  int length = -1;
  if (error == MPI_SUCCESS) MPI_Get_count(status, MPI_BYTE, &length);
  if (error == MPI_SUCCESS && (op->lengths[i] < 0 || length == op->lengths[i])) return;
  int class = MPI_SUCCESS;
  if (error != MPI_SUCCESS) MPI_Error_class(error, &class);
  op->outcome = error == MPI_SUCCESS || class == MPI_ERR_TRUNCATE ? WRONG_LENGTH : BROKEN;
  op->rank = op->ranks[i];
  op->length = length;
  if (op->outcome == BROKEN) {
    int written;
    MPI_Error_string(error, op->text, &written);
  }
}

/** Tests once which requests have completed. The caller holds the lock. */
static void test_requests(Operation* op) {
  int found = 0;
  const int error = MPI_Testsome(op->count, op->requests, &found, op->completed, op->statuses);
  if (found == MPI_UNDEFINED) {
    op->outcome = DONE;
    return;
  }
  for (int i = 0; i < found && op->outcome == UNDER_WAY; i++)
    check_request(op, op->completed[i], &op->statuses[i],
                  error == MPI_ERR_IN_STATUS ? op->statuses[i].MPI_ERROR : error);
  if (op->outcome == UNDER_WAY && failure != MPI_REQUEST_NULL) {
    int arrived = 0;
    MPI_Status status;
    if (MPI_Test(&failure, &arrived, &status) == MPI_SUCCESS && arrived) {
      op->outcome = FAILED;
      op->rank = status.MPI_SOURCE;
      memcpy(op->text, failure_text, FAILURE_BYTES);
    }
  }
}

/** Polls until the operation has ended or the time `until` has passed; 0: until it has ended. */
static void poll(Operation* op, double until) {
  const double start = now();
  while (op->outcome == UNDER_WAY) {
    pthread_mutex_lock(&lock);
    test_requests(op);
    pthread_mutex_unlock(&lock);
    if (op->outcome != UNDER_WAY) return;
    if (atomic_load(&cancelled)) op->outcome = CANCELLED;
    const double time = now();
    if (op->deadline > 0 && time > op->deadline) op->outcome = LATE;
    if (until > 0 && time > until) return;
    // A long wait gives the core to other processes: if there are more ranks than cores, the awaited rank may need it.
    const double waited = time - start;
    if (waited < 2e-3) sched_yield();
    else nanosleep(&(struct timespec){0, waited < 0.1 ? 50000 : 1000000}, NULL);
  }
}

/** Writes the ranks that have not answered as text: "1, 3". */
static void missing(Operation* op, char* out, size_t room) {
  size_t at = 0;
  out[0] = 0;
  for (int r = 0; r < size; r++) {
    int isMissing = 0;
    for (int i = 0; i < op->count; i++)
      isMissing |= op->requests[i] != MPI_REQUEST_NULL && (op->ranks[i] == r || op->ranks[i] == -1 - r);
    if (isMissing && at + 16 < room) at += snprintf(out + at, room - at, at ? ", %d" : "%d", r);
  }
}

static napi_value text(napi_env env, const char* characters) {
  napi_value value;
  napi_create_string_utf8(env, characters, NAPI_AUTO_LENGTH, &value);
  return value;
}

static void set(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

static napi_value number(napi_env env, double n) {
  napi_value value;
  napi_create_double(env, n, &value);
  return value;
}

/** Resolves the promise, or rejects it with an object that says what went wrong: `ExchangeFailure` in ../mpi.ts. */
static void settle(napi_env env, Operation* op) {
  napi_value value;
  if (op->outcome == DONE) {
    napi_get_undefined(env, &value);
    napi_resolve_deferred(env, op->deferred, value);
    napi_delete_reference(env, op->memory);
    free(op->requests);
    free(op->ranks);
    free(op->lengths);
    free(op->completed);
    free(op->statuses);
    free(op);
    return;
  }
  // MPI may still write to the memory of open requests, so a failed operation never frees its memory.
  static const char* const names[] = {"", "", "late", "length", "failed", "cancelled", "broken"};
  char ranks[256];
  missing(op, ranks, sizeof ranks);
  napi_create_object(env, &value);
  set(env, value, "outcome", text(env, names[op->outcome]));
  set(env, value, "missing", text(env, ranks));
  set(env, value, "rank", number(env, op->rank));
  set(env, value, "length", number(env, op->length));
  set(env, value, "text", text(env, op->text));
  napi_reject_deferred(env, op->deferred, value);
}

static void wait_in_thread(napi_env env, void* data) {
  (void)env;
  poll(data, 0);
}

static void after_thread(napi_env env, napi_status status, void* data) {
  (void)status;
  Operation* op = data;
  napi_delete_async_work(env, op->work);
  settle(env, op);
}

static Operation* operation(int count, double timeout) {
  Operation* op = calloc(1, sizeof *op);
  op->count = count;
  op->requests = calloc(count, sizeof *op->requests);
  op->ranks = calloc(count, sizeof *op->ranks);
  op->lengths = calloc(count, sizeof *op->lengths);
  op->completed = calloc(count, sizeof *op->completed);
  op->statuses = calloc(count, sizeof *op->statuses);
  op->deadline = timeout > 0 ? now() + timeout : 0;
  for (int i = 0; i < count; i++) op->requests[i] = MPI_REQUEST_NULL;
  return op;
}

/** Returns the promise of an operation. Polls for a moment on the event loop, then in a thread. */
static napi_value begin(napi_env env, Operation* op, napi_value memory) {
  napi_value promise, name;
  napi_create_promise(env, &op->deferred, &promise);
  napi_create_reference(env, memory, 1, &op->memory);
  poll(op, now() + kSpin);
  if (op->outcome != UNDER_WAY) {
    settle(env, op);
    return promise;
  }
  napi_create_string_utf8(env, "millrace-mpi", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, wait_in_thread, after_thread, op, &op->work);
  napi_queue_async_work(env, op->work);
  return promise;
}

static int bytes_of(napi_env env, napi_value array, int index, void** data, int* length) {
  napi_value view;
  napi_typedarray_type type;
  size_t bytes;
  if (napi_get_element(env, array, index, &view) != napi_ok) return 0;
  if (napi_get_typedarray_info(env, view, &type, &bytes, data, NULL, NULL) != napi_ok) return 0;
  if (type != napi_uint8_array || bytes > INT_MAX) return 0;
  *length = (int)bytes;
  return 1;
}

/** exchange(tag, outgoing, incoming, seconds): Promise. See `Comm.exchange`. */
static napi_value exchange(napi_env env, napi_callback_info info) {
  size_t argc = 4;
  napi_value argv[4], memory;
  int tag;
  double timeout;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (!is_open) return fail(env, "MPI is not open");
  napi_get_value_int32(env, argv[0], &tag);
  napi_get_value_double(env, argv[3], &timeout);
  Operation* op = operation(2 * size, timeout);
  void** data = calloc(2 * size, sizeof *data);
  int isFit = 1;
  for (int r = 0; r < size && isFit; r++)
    isFit = bytes_of(env, argv[2], r, &data[r], &op->lengths[r]) &&
            bytes_of(env, argv[1], r, &data[size + r], &op->lengths[size + r]);
  if (!isFit) {
    free(data);
    return fail(env, "expected a Uint8Array below 2 GiB for each rank");
  }
  pthread_mutex_lock(&lock);
  for (int r = 0; r < size; r++) {
    op->ranks[r] = r;
    op->ranks[size + r] = -1 - r;
    if (r != rank) MPI_Irecv(data[r], op->lengths[r], MPI_BYTE, r, tag, messages, &op->requests[r]);
  }
  for (int i = 1; i < size; i++) {
    const int r = (rank + i) % size;
    MPI_Isend(data[size + r], op->lengths[size + r], MPI_BYTE, r, tag, messages, &op->requests[size + r]);
  }
  pthread_mutex_unlock(&lock);
  free(data);
  napi_create_array_with_length(env, 2, &memory);
  napi_set_element(env, memory, 0, argv[1]);
  napi_set_element(env, memory, 1, argv[2]);
  return begin(env, op, memory);
}

/** total(values, seconds): Promise. MPI_Iallreduce with MPI_SUM, in place. See `Comm.total`. */
static napi_value total(napi_env env, napi_callback_info info) {
  size_t argc = 2, length;
  napi_value argv[2];
  napi_typedarray_type type;
  void* data;
  double timeout;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (!is_open) return fail(env, "MPI is not open");
  if (napi_get_typedarray_info(env, argv[0], &type, &length, &data, NULL, NULL) != napi_ok ||
      (type != napi_float32_array && type != napi_float64_array))
    return fail(env, "expected a Float32Array or a Float64Array");
  if (length > INT_MAX) return fail(env, "MPI adds up at most 2147483647 numbers at once");
  napi_get_value_double(env, argv[1], &timeout);
  Operation* op = operation(1, timeout);
  op->ranks[0] = INT_MIN;
  pthread_mutex_lock(&lock);
  MPI_Iallreduce(MPI_IN_PLACE, data, (int)length, type == napi_float32_array ? MPI_FLOAT : MPI_DOUBLE, MPI_SUM, sums,
                 &op->requests[0]);
  pthread_mutex_unlock(&lock);
  return begin(env, op, argv[0]);
}

/** open(): { rank, size, neighbours, library }. Joins the job. Call it once per process. */
static napi_value open_mpi(napi_env env, napi_callback_info info) {
  (void)info;
  int provided, neighbours, length;
  char library[MPI_MAX_LIBRARY_VERSION_STRING];
  MPI_Comm host;
  if (is_open) return fail(env, "MPI is open already");
  if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS) return fail(env, "MPI_Init failed");
  if (provided < MPI_THREAD_SERIALIZED) return fail(env, "this MPI does not support MPI_THREAD_SERIALIZED");
  is_open = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_dup(MPI_COMM_WORLD, &messages);
  MPI_Comm_dup(MPI_COMM_WORLD, &sums);
  MPI_Comm_dup(MPI_COMM_WORLD, &failures);
  MPI_Comm_set_errhandler(messages, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(sums, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(failures, MPI_ERRORS_RETURN);
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
  MPI_Comm_size(host, &neighbours);
  MPI_Comm_free(&host);
  if (rank == 0 && size > 1)
    MPI_Irecv(failure_text, FAILURE_BYTES - 1, MPI_BYTE, MPI_ANY_SOURCE, 0, failures, &failure);
  MPI_Get_library_version(library, &length);
  library[strcspn(library, ",\n")] = 0;
  for (char* at = library; *at; at++)
    if (*at == '\t') *at = ' ';
  napi_value result;
  napi_create_object(env, &result);
  set(env, result, "rank", number(env, rank));
  set(env, result, "size", number(env, size));
  set(env, result, "neighbours", number(env, neighbours));
  set(env, result, "library", text(env, library));
  return result;
}

/** tell(text): sends the message of a failure to rank 0, which receives it when it next waits for an exchange. */
static napi_value tell(napi_env env, napi_callback_info info) {
  size_t argc = 1, length;
  napi_value argv[1];
  MPI_Request request;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  napi_get_value_string_utf8(env, argv[0], own_failure, FAILURE_BYTES - 1, &length);
  if (!is_open || rank == 0) return NULL;
  pthread_mutex_lock(&lock);
  MPI_Isend(own_failure, (int)length + 1, MPI_BYTE, 0, 0, failures, &request);
  pthread_mutex_unlock(&lock);
  const double until = now() + 0.2;
  for (int isSent = 0; !isSent && now() < until; sched_yield()) {
    pthread_mutex_lock(&lock);
    MPI_Test(&request, &isSent, MPI_STATUS_IGNORE);
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

/** cancel(): makes every operation under way, and every later one, fail. */
static napi_value cancel(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  atomic_store(&cancelled, 1);
  return NULL;
}

/** abort(code): ends the job. Does not return. */
static napi_value abort_job(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  int code = 1;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  napi_get_value_int32(env, argv[0], &code);
  atomic_store(&cancelled, 1);
  // A thread that hangs inside MPI holds the lock. The job must end nevertheless, so this waits a second at most.
  for (double until = now() + 1; pthread_mutex_trylock(&lock) != 0 && now() < until;)
    nanosleep(&(struct timespec){0, 1000000}, NULL);
  // If the launcher cannot be reached, MPI_Abort may wait for ever. The alarm then ends this process.
  alarm(5);
  if (is_open) MPI_Abort(MPI_COMM_WORLD, code);
  _exit(code);
}

/** finalize(): leaves the job, once all ranks have called it. */
static napi_value finalize(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  if (!is_open) return NULL;
  is_open = 0;
  pthread_mutex_lock(&lock);
  if (failure != MPI_REQUEST_NULL) {
    MPI_Cancel(&failure);
    MPI_Wait(&failure, MPI_STATUS_IGNORE);
  }
  MPI_Comm_free(&messages);
  MPI_Comm_free(&sums);
  MPI_Comm_free(&failures);
  MPI_Finalize();
  pthread_mutex_unlock(&lock);
  return NULL;
}

NAPI_MODULE_INIT() {
  static const struct {
    const char* name;
    napi_callback call;
  } functions[] = {{"open", open_mpi}, {"exchange", exchange}, {"total", total},       {"tell", tell},
                   {"cancel", cancel}, {"abort", abort_job},   {"finalize", finalize}};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value value;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &value);
    set(env, exports, functions[i].name, value);
  }
  return exports;
}
