/* The public interface from C99: every function is called at least once. Usage: c_api_test PACKAGE
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "samara/samara.h"

static int failures = 0;

static void check(int holds, const char* text, int line) {
  if (holds) return;
  fprintf(stderr, "line %d: %s (last error: %s)\n", line, text, samara_last_error());
  ++failures;
}
#define CHECK(condition) check((condition) ? 1 : 0, #condition, __LINE__)
#define CHECK_STATUS(call, status) check((call) == (status), #call " gives " #status, __LINE__)

static void count_item(void* user, const samara_memory_item* item) {
  uint64_t* sum = (uint64_t*)user;
  CHECK(item->name != NULL && item->name[0] != '\0');
  if (item->kind != SAMARA_MEMORY_MAPPED) *sum += item->bytes;
}

static void count_line(void* user, samara_log_level level, const char* line) {
  (void)level;
  CHECK(strlen(line) > 0 && strchr(line, '\n') == NULL);
  ++*(int*)user;
}

static int stop_prefill(void* user, const char* stage, uint64_t done, uint64_t total) {
  (void)user;
  CHECK(done <= total);
  return strcmp(stage, "prefill") == 0;
}

static void ignore_line(void* user, const char* line) {
  (void)user;
  (void)line;
}

/* A pool of one thread, and how often it was called. */
static void run_workers(void* user, uint32_t n_workers, samara_worker_fn body, void* context) {
  uint32_t i;
  CHECK(n_workers >= 2 && n_workers <= 3);
  ++*(int*)user;
  for (i = 0; i < n_workers; ++i) body(context, i);
}

static void test_parallel(const char* path) {
  samara_model* model = NULL;
  samara_session* session = NULL;
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  int32_t prompt[60];
  float logits[320];
  const float* row = NULL;
  size_t n = 0;
  int calls = 0, i;
  for (i = 0; i < 60; ++i) prompt[i] = i;
  options.n_ctx = 64;
  options.n_threads = 3;
  for (i = 0; i < 2; ++i) {
    CHECK_STATUS(samara_model_open(path, &options, &model), SAMARA_OK);
    CHECK_STATUS(samara_session_create(model, NULL, &session), SAMARA_OK);
    CHECK_STATUS(samara_feed(session, prompt, 60), SAMARA_OK);
    CHECK_STATUS(samara_run(session), SAMARA_OK);
    CHECK_STATUS(samara_logits(session, -1, &row, &n), SAMARA_OK);
    if (row == NULL || n != 320) return;
    if (i == 0) memcpy(logits, row, sizeof logits);
    CHECK(memcmp(logits, row, sizeof logits) == 0);
    CHECK((calls > 0) == (i == 1));
    samara_session_close(session);
    CHECK_STATUS(samara_model_close(model), SAMARA_OK);
    options.parallel = run_workers;
    options.parallel_user = &calls;
  }
  options.affinity = "0";
  CHECK_STATUS(samara_model_open(path, &options, &model), SAMARA_INVALID_ARGUMENT);
}

static void count_device(void* user, const samara_device* device) {
  CHECK(device->struct_size == sizeof *device);
  CHECK(strlen(device->backend) > 0 && (strlen(device->name) > 0 || strlen(device->unusable) > 0));
  if (strcmp(device->backend, "cpu") == 0) {
    CHECK(device->automatic == 1 && device->unusable[0] == '\0');
    ++*(int*)user;
  }
}

static void test_errors(const char* path) {
  char version[64];
  samara_model* model = (samara_model*)&failures;
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  const char *name = NULL, *description = NULL;
  uint32_t n = 0;
  int cpus = 0;

  sprintf(version, "%d.%d.%d", SAMARA_VERSION_MAJOR, SAMARA_VERSION_MINOR, SAMARA_VERSION_PATCH);
  CHECK(strcmp(samara_version(), version) == 0);
  CHECK(strcmp(samara_status_name(SAMARA_INVALID_FILE), "INVALID_FILE") == 0);

  CHECK_STATUS(samara_model_open("/nonexistent/file", NULL, &model), SAMARA_NOT_FOUND);
  CHECK(model == NULL);
  CHECK(strstr(samara_last_error(), "/nonexistent/file") != NULL);
  CHECK_STATUS(samara_model_open("/", NULL, &model), SAMARA_INVALID_ARGUMENT);
  CHECK_STATUS(samara_model_open("/dev/null", NULL, &model), SAMARA_INVALID_ARGUMENT);
  CHECK_STATUS(samara_model_open(NULL, NULL, &model), SAMARA_INVALID_ARGUMENT);
  CHECK_STATUS(samara_model_open(path, NULL, NULL), SAMARA_INVALID_ARGUMENT);
  options.struct_size = 8;
  CHECK_STATUS(samara_model_open(path, &options, &model), SAMARA_INVALID_ARGUMENT);
  options.struct_size = sizeof options;
  options.backend = "abacus";
  CHECK_STATUS(samara_model_open(path, &options, &model), SAMARA_NOT_FOUND);
  CHECK(strstr(samara_last_error(), "abacus") != NULL &&
        strstr(samara_last_error(), "cpu") != NULL);
  options.backend = NULL;
  options.isa = "abacus";
  CHECK(samara_model_open(path, &options, &model) != SAMARA_OK);
  CHECK(strstr(samara_last_error(), "abacus") != NULL);
  options.isa = NULL;
  options.n_threads = 1000000;
  CHECK_STATUS(samara_model_open(path, &options, &model), SAMARA_INVALID_ARGUMENT);
  options.n_threads = 0;
  options.kv_type = (samara_kv_type)77;
  CHECK_STATUS(samara_model_open(path, &options, &model), SAMARA_INVALID_ARGUMENT);

  CHECK_STATUS(samara_model_close(NULL), SAMARA_OK);
  CHECK(samara_last_error()[0] == '\0');
  samara_session_close(NULL);
  samara_cancel(NULL);
  samara_cancel_clear(NULL);
  while (samara_backend_at(n, &name, &description) == SAMARA_OK) {
    CHECK(strlen(name) > 0 && strlen(description) > 0);
    ++n;
  }
  CHECK(n >= 2);
  CHECK_STATUS(samara_devices(count_device, &cpus), SAMARA_OK);
  CHECK(cpus == 1);
  CHECK(samara_feed(NULL, NULL, 0) == SAMARA_INVALID_ARGUMENT);
  CHECK(samara_step(NULL, 1) == SAMARA_INVALID_ARGUMENT);
  CHECK(samara_pending(NULL) == 0 && samara_length(NULL) == 0 && samara_tokens(NULL) == NULL);
}

static void test_model(samara_model* model, const char* path, uint64_t planned) {
  samara_model_info info;
  samara_sampling sampling;
  samara_session_options session_options = SAMARA_SESSION_OPTIONS_INIT;
  samara_statistics statistics;
  samara_session *a = NULL, *b = NULL, *c = NULL;
  samara_session* both[2];
  const int32_t prompt[5] = {3, 1, 4, 1, 5};
  const float* logits = NULL;
  const char *key = NULL, *value = NULL;
  int32_t token = -1, other = -1;
  size_t n = 0, i;
  char text[64];
  samara_detokenizer detokenizer;

  memset(&info, 0, sizeof info);
  CHECK_STATUS(samara_model_get_info(model, &info), SAMARA_INVALID_ARGUMENT);
  info.struct_size = sizeof info;
  CHECK_STATUS(samara_model_get_info(model, &info), SAMARA_OK);
  CHECK(strcmp(info.name, "tiny") == 0 && strcmp(info.backend, "cpu") == 0);
  CHECK(info.vocab == 320 && info.n_ctx == 64 && info.max_sessions == 2 && info.parameters > 0);
  CHECK(samara_model_metadata(model, "license") != NULL);
  CHECK(samara_model_metadata(model, "no such key") == NULL);
  CHECK_STATUS(samara_model_metadata_at(model, 0, &key, &value), SAMARA_OK);
  CHECK_STATUS(samara_model_metadata_at(model, 1000, &key, &value), SAMARA_NOT_FOUND);
  CHECK(samara_model_is_eos(model, 319) == 1 && samara_model_is_eos(model, 0) == 0);

  /* This package has no tokenizer. */
  CHECK(samara_tokenize_work_size(model, 10) == 0);
  CHECK_STATUS(samara_tokenize(model, "a", 1, 0, NULL, 0, &token, 1, &n), SAMARA_UNSUPPORTED);
  memset(&detokenizer, 0, sizeof detokenizer);
  CHECK_STATUS(samara_detokenize(model, &detokenizer, 1, 0, text, sizeof text, &n),
               SAMARA_UNSUPPORTED);
  CHECK_STATUS(samara_detokenize_end(model, &detokenizer, text, sizeof text, &n),
               SAMARA_UNSUPPORTED);

  sampling.struct_size = 8;
  CHECK_STATUS(samara_model_sampling(model, &sampling), SAMARA_INVALID_ARGUMENT);
  sampling.struct_size = sizeof sampling;
  CHECK_STATUS(samara_model_sampling(model, &sampling), SAMARA_OK);
  CHECK(sampling.struct_size == sizeof sampling && sampling.temperature == 0);
  session_options.sampling = &sampling;
  CHECK_STATUS(samara_session_create(model, &session_options, &a), SAMARA_OK);
  CHECK_STATUS(samara_session_create(model, NULL, &b), SAMARA_OK);
  CHECK_STATUS(samara_session_create(model, NULL, &c), SAMARA_RESOURCE_EXHAUSTED);
  CHECK(c == NULL);
  CHECK(samara_model_allocated(model) == planned);
  CHECK_STATUS(samara_model_close(model), SAMARA_FAILED_PRECONDITION);

  CHECK_STATUS(samara_sample(a, &token), SAMARA_FAILED_PRECONDITION);
  CHECK_STATUS(samara_feed(a, prompt, 5), SAMARA_OK);
  CHECK(samara_pending(a) == 5 && samara_length(a) == 0 && samara_tokens(a)[2] == 4);
  CHECK_STATUS(samara_logits(a, -1, &logits, &n), SAMARA_FAILED_PRECONDITION);
  CHECK_STATUS(samara_run(a), SAMARA_OK);
  CHECK_STATUS(samara_run(a), SAMARA_FAILED_PRECONDITION);
  CHECK_STATUS(samara_wait(model), SAMARA_OK);
  CHECK(samara_pending(a) == 0 && samara_length(a) == 5 && samara_logits_rows(a) == 1);
  CHECK_STATUS(samara_logits(a, -1, &logits, &n), SAMARA_OK);
  CHECK(n == 320);
  CHECK_STATUS(samara_sample(a, &token), SAMARA_OK);
  for (i = 0; i < n; ++i) CHECK(isfinite(logits[i]) && logits[i] <= logits[token]);
  CHECK_STATUS(samara_hidden(a, -1, &logits, &n), SAMARA_OK);
  CHECK(n == 64);

  /* Two sessions in one step give what one alone gives. */
  CHECK_STATUS(samara_session_reset(a), SAMARA_OK);
  CHECK_STATUS(samara_feed(a, prompt, 5), SAMARA_OK);
  CHECK_STATUS(samara_feed(b, prompt, 5), SAMARA_OK);
  both[0] = b;
  both[1] = a;
  CHECK_STATUS(samara_step(both, 2), SAMARA_OK);
  CHECK_STATUS(samara_sample(a, &other), SAMARA_OK);
  CHECK(other == token);
  CHECK_STATUS(samara_sample(b, &other), SAMARA_OK);
  CHECK(other == token);

  CHECK_STATUS(samara_rewind(b, 2), SAMARA_OK);
  CHECK(samara_length(b) == 2);
  CHECK_STATUS(samara_rewind(b, 3), SAMARA_INVALID_ARGUMENT);
  samara_session_close(b);
  CHECK_STATUS(samara_fork(a, &c), SAMARA_OK);
  CHECK(samara_length(c) == 5);
  CHECK_STATUS(samara_save(NULL, "file"), SAMARA_INVALID_ARGUMENT);
  CHECK_STATUS(samara_save(a, NULL), SAMARA_INVALID_ARGUMENT);
  CHECK_STATUS(samara_save_attached(a, "file", NULL, 1), SAMARA_INVALID_ARGUMENT);
  CHECK_STATUS(samara_restore(a, NULL), SAMARA_INVALID_ARGUMENT);
  CHECK_STATUS(samara_restore(a, path), SAMARA_INVALID_FILE); /* a package */
  CHECK(strstr(samara_last_error(), path) != NULL);
  CHECK_STATUS(samara_restore(a, "/nonexistent/file"), SAMARA_NOT_FOUND);
  CHECK_STATUS(samara_save(a, "/nonexistent/file"), SAMARA_NOT_FOUND);

  sampling.temperature = -1;
  CHECK_STATUS(samara_session_set_sampling(a, &sampling), SAMARA_INVALID_ARGUMENT);
  sampling.temperature = 1;
  sampling.seed = 7;
  CHECK_STATUS(samara_session_set_sampling(a, &sampling), SAMARA_OK);
  CHECK_STATUS(samara_session_set_sampling(c, &sampling), SAMARA_OK);
  CHECK_STATUS(samara_sample(a, &token), SAMARA_OK);
  CHECK_STATUS(samara_sample(c, &other), SAMARA_OK);
  CHECK(token == other);

  CHECK_STATUS(samara_feed(a, &token, 1), SAMARA_OK);
  samara_cancel(model);
  CHECK_STATUS(samara_run(a), SAMARA_CANCELLED);
  samara_cancel_clear(model);
  CHECK_STATUS(samara_run(a), SAMARA_OK);

  statistics.struct_size = sizeof statistics;
  CHECK_STATUS(samara_model_statistics(model, &statistics), SAMARA_OK);
  CHECK(statistics.steps >= 3 && statistics.tokens >= 16 && statistics.allocated == planned);
  CHECK(statistics.load_seconds > 0 && statistics.step_seconds > 0);
  CHECK_STATUS(samara_verify(path, NULL, ignore_line, NULL), SAMARA_NOT_FOUND); /* has no goldens */
  samara_session_close(c);
  samara_session_close(a);
}

static void test_profile(const char* path) {
  samara_model* model = NULL;
  samara_session* session = NULL;
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  samara_profile_op op;
  samara_profile_event event;
  const int32_t prompt[3] = {1, 2, 3};
  uint64_t calls = 0, n_events = 0;
  double seconds = 0;
  uint32_t i;

  memset(&op, 0, sizeof op);
  memset(&event, 0, sizeof event);
  event.struct_size = sizeof event;
  CHECK_STATUS(samara_model_open(path, &options, &model), SAMARA_OK);
  CHECK_STATUS(samara_profile_op_at(model, 0, &op), SAMARA_INVALID_ARGUMENT);
  op.struct_size = sizeof op;
  CHECK_STATUS(samara_profile_op_at(model, 0, &op), SAMARA_FAILED_PRECONDITION);
  CHECK_STATUS(samara_profile_event_at(model, 0, &event), SAMARA_FAILED_PRECONDITION);
  CHECK_STATUS(samara_profile_reset(model), SAMARA_FAILED_PRECONDITION);
  CHECK_STATUS(samara_profile_reset(NULL), SAMARA_INVALID_ARGUMENT);
  CHECK_STATUS(samara_model_close(model), SAMARA_OK);

  options.profile = 1000;
  CHECK_STATUS(samara_model_open(path, &options, &model), SAMARA_OK);
  CHECK_STATUS(samara_session_create(model, NULL, &session), SAMARA_OK);
  CHECK_STATUS(samara_feed(session, prompt, 3), SAMARA_OK);
  CHECK_STATUS(samara_run(session), SAMARA_OK);
  for (i = 1; samara_profile_op_at(model, i, &op) == SAMARA_OK; ++i) {
    CHECK(strlen(op.name) > 0 && strlen(op.kind) > 0 && op.type != NULL);
    calls += op.calls;
    seconds += op.seconds;
  }
  CHECK_STATUS(samara_profile_op_at(model, i, &op), SAMARA_NOT_FOUND);
  CHECK_STATUS(samara_profile_op_at(model, 0, &op), SAMARA_OK);
  CHECK(strcmp(op.name, "step") == 0 && op.calls == 1 && op.operations > 0);
  CHECK(seconds > 0 && seconds <= op.seconds);
  while (samara_profile_event_at(model, n_events, &event) == SAMARA_OK) {
    CHECK(event.begin > 0 && event.end >= event.begin && event.n_tokens == 3);
    ++n_events;
  }
  CHECK(n_events == calls + 1 && event.op == 0);
  CHECK_STATUS(samara_profile_event_at(model, n_events, &event), SAMARA_NOT_FOUND);
  CHECK_STATUS(samara_profile_reset(model), SAMARA_OK);
  CHECK_STATUS(samara_profile_event_at(model, 0, &event), SAMARA_NOT_FOUND);
  samara_session_close(session);
  CHECK_STATUS(samara_model_close(model), SAMARA_OK);
}

static void test_sources(const char* path) {
  samara_model* model = NULL;
  samara_session* session = NULL;
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  const int32_t prompt[3] = {1, 2, 3};
  FILE* file = fopen(path, "rb");
  unsigned char* memory = NULL;
  unsigned char* aligned = NULL;
  long size = 0;

  CHECK(file != NULL);
  if (file == NULL) return;
  fseek(file, 0, SEEK_END);
  size = ftell(file);
  rewind(file);
  memory = (unsigned char*)malloc((size_t)size + 64);
  aligned = memory + (64 - (uintptr_t)memory % 64) % 64;
  CHECK(fread(aligned, 1, (size_t)size, file) == (size_t)size);

  CHECK_STATUS(samara_model_open_memory(aligned, (size_t)size, NULL, &model), SAMARA_OK);
  CHECK_STATUS(samara_model_close(model), SAMARA_OK);
  CHECK_STATUS(samara_model_open_memory(aligned + 1, (size_t)size - 1, NULL, &model),
               SAMARA_INVALID_ARGUMENT);
  CHECK_STATUS(samara_model_open_memory(aligned, (size_t)size - 1, NULL, &model),
               SAMARA_INVALID_FILE);
  CHECK_STATUS(samara_model_open_memory(aligned, 0, NULL, &model), SAMARA_INVALID_FILE);
  CHECK_STATUS(samara_model_open_fd(fileno(file), 0, 0, NULL, &model), SAMARA_OK);
  CHECK_STATUS(samara_model_close(model), SAMARA_OK);
  CHECK_STATUS(samara_model_open_fd(fileno(file), 1, (uint64_t)size, NULL, &model),
               SAMARA_INVALID_ARGUMENT);
  CHECK_STATUS(samara_model_open_fd(-1, 0, 0, NULL, &model), SAMARA_IO_ERROR);

  options.progress = stop_prefill;
  CHECK_STATUS(samara_model_open(path, &options, &model), SAMARA_OK);
  CHECK_STATUS(samara_session_create(model, NULL, &session), SAMARA_OK);
  CHECK_STATUS(samara_feed(session, prompt, 3), SAMARA_OK);
  CHECK_STATUS(samara_run(session), SAMARA_CANCELLED);
  samara_session_close(session);
  CHECK_STATUS(samara_model_close(model), SAMARA_OK);
  free(memory);
  fclose(file);
}

/* A reply of 20 tokens; they go to `tokens`. */
static void reply(samara_session* session, int32_t* tokens, samara_finish finish) {
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
  samara_reply_statistics statistics;
  const char* stops[2] = {"never", "said"};
  samara_logit_bias bias;
  size_t n = 0;
  memset(&statistics, 0, sizeof statistics);
  bias.token = 319; /* the package's end of text */
  bias.bias = -HUGE_VALF;
  options.max_tokens = 20;
  options.stops = stops;
  options.n_stops = 2;
  options.logit_bias = &bias;
  options.n_logit_bias = 1;
  options.logprobs = 1;
  options.top_logprobs = 3;
  options.struct_size = 1;
  CHECK_STATUS(samara_reply_begin(session, &options), SAMARA_INVALID_ARGUMENT);
  options.struct_size = sizeof options;
  CHECK_STATUS(samara_reply_next(session, &event), SAMARA_FAILED_PRECONDITION);
  CHECK_STATUS(samara_reply_begin(session, &options), SAMARA_OK);
  while (event.finish == SAMARA_FINISH_NONE && n < 20) {
    CHECK_STATUS(samara_reply_next(session, &event), SAMARA_OK);
    CHECK(event.token >= 0 && event.token < 319 && event.stop == -1);
    CHECK(event.text != NULL && event.n_bytes == 0); /* this package has no tokenizer */
    CHECK(event.n_top == 3 && event.logprob <= event.top[0].logprob && event.logprob < 0);
    CHECK(event.top[0].logprob >= event.top[1].logprob &&
          event.top[1].logprob >= event.top[2].logprob);
    tokens[n++] = event.token;
  }
  CHECK(event.finish == finish);
  statistics.struct_size = sizeof statistics;
  CHECK_STATUS(samara_reply_get_statistics(session, &statistics), SAMARA_OK);
  CHECK(statistics.reply_tokens == n && statistics.prompt_tokens > 0);
  CHECK(samara_pending(session) == (finish == SAMARA_FINISH_LENGTH ? 1u : 0u));
}

static void test_replies(const char* path) {
  samara_model* model = NULL;
  samara_session *session = NULL, *other = NULL;
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  samara_sampling sampling;
  const int32_t prompt[3] = {1, 2, 3};
  int32_t first[20], second[20];
  char file[4096], note[8];
  size_t n = 0, i = 0;

  memset(first, 0, sizeof first);
  memset(second, 0, sizeof second);
  options.n_ctx = 48;
  options.max_sessions = 2;
  CHECK_STATUS(samara_model_open(path, &options, &model), SAMARA_OK);
  CHECK_STATUS(samara_session_create(model, NULL, &session), SAMARA_OK);
  CHECK_STATUS(samara_session_create(model, NULL, &other), SAMARA_OK);
  sampling.struct_size = sizeof sampling;
  CHECK_STATUS(samara_model_sampling(model, &sampling), SAMARA_OK);
  sampling.temperature = 1;
  sampling.seed = 5;
  sampling.repetition_penalty = 1.5f;
  sampling.penalty_window = 10;
  CHECK_STATUS(samara_session_set_sampling(session, &sampling), SAMARA_OK);
  CHECK_STATUS(samara_feed(session, prompt, 3), SAMARA_OK);
  reply(session, first, SAMARA_FINISH_LENGTH);

  /* What was saved goes on as the session itself does. */
  snprintf(file, sizeof file, "%s.%ld.session", path, (long)getpid());
  CHECK_STATUS(samara_save_attached(session, file, "a note", 7), SAMARA_OK);
  reply(session, first, SAMARA_FINISH_LENGTH);
  CHECK_STATUS(samara_restore_attached(other, file, NULL, 0, &n), SAMARA_RESOURCE_EXHAUSTED);
  CHECK(n == 7 && samara_length(other) == 0);
  CHECK_STATUS(samara_restore_attached(other, file, note, sizeof note, &n), SAMARA_OK);
  CHECK(n == 7 && strcmp(note, "a note") == 0);
  CHECK(samara_length(other) == 22 && samara_pending(other) == 1);
  reply(other, second, SAMARA_FINISH_LENGTH);
  CHECK(memcmp(first, second, sizeof first) == 0);
  reply(other, second, SAMARA_FINISH_CONTEXT);
  CHECK_STATUS(samara_restore(other, file), SAMARA_OK);
  reply(other, second, SAMARA_FINISH_LENGTH);
  CHECK(memcmp(first, second, sizeof first) == 0);
  remove(file);

  for (i = 0; i < 7; ++i) {
    CHECK(strcmp(samara_finish_name((samara_finish)i), i < 6 ? "unknown" : "none") != 0);
  }
  CHECK(strcmp(samara_finish_name(SAMARA_FINISH_EOS), "eos") == 0);
  samara_session_close(other);
  samara_session_close(session);
  CHECK_STATUS(samara_model_close(model), SAMARA_OK);
}

int main(int argc, char** argv) {
  samara_model* model = NULL;
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  uint64_t listed = 0, counted = 0;
  int lines = 0;

  if (argc != 2) {
    fprintf(stderr, "usage: c_api_test PACKAGE\n");
    return 2;
  }
  test_errors(argv[1]);
  options.n_ctx = 64;
  options.max_sessions = 2;
  options.n_threads = 2;
  options.backend = "cpu";
  options.log = count_line;
  options.user = &lines;
  CHECK_STATUS(samara_plan(argv[1], &options, count_item, &listed, &counted), SAMARA_OK);
  CHECK(listed == counted && counted > 0);
  CHECK_STATUS(samara_model_open(argv[1], &options, &model), SAMARA_OK);
  if (model == NULL) return 1;
  CHECK(lines > 0);
  test_model(model, argv[1], counted);
  CHECK_STATUS(samara_model_close(model), SAMARA_OK);
  test_replies(argv[1]);
  test_sources(argv[1]);
  test_profile(argv[1]);
  test_parallel(argv[1]);
  if (failures == 0) printf("c_api: all checks hold\n");
  return failures == 0 ? 0 : 1;
}
