/* NULL wherever samara.h does not allow it: an error or nothing, never a crash, and results are left in the state that
 * the header names. Usage: null_test PACKAGE */
#include <stdio.h>
#include <string.h>

#include "samara/samara.h"

static int failures = 0;

static void check(int holds, const char* text, int line) {
  if (holds) return;
  fprintf(stderr, "line %d: %s (last error: %s)\n", line, text, samara_last_error());
  ++failures;
}
#define CHECK(condition) check((condition) ? 1 : 0, #condition, __LINE__)
/* An error that says which argument. */
#define REFUSED(call)                                                                            \
  check((call) == SAMARA_INVALID_ARGUMENT && strstr(samara_last_error(), "NULL") != NULL, #call, \
        __LINE__)

static void test_no_handle(const char* path) {
  samara_model* model = (samara_model*)&failures;
  const char *key = NULL, *value = NULL;
  REFUSED(samara_model_open(NULL, NULL, &model));
  CHECK(model == NULL);
  REFUSED(samara_model_open(path, NULL, NULL));
  CHECK(samara_model_open_memory(NULL, 64, NULL, &model) == SAMARA_INVALID_ARGUMENT);
  REFUSED(samara_model_open_memory(path, 64, NULL, NULL));
  REFUSED(samara_model_open_fd(0, 0, 0, NULL, NULL));
  REFUSED(samara_plan(NULL, NULL, NULL, NULL, NULL));
  CHECK(samara_plan(path, NULL, NULL, NULL, NULL) == SAMARA_OK);
  REFUSED(samara_verify(NULL, NULL, NULL, NULL));
  REFUSED(samara_backend_at(0, NULL, &value));
  REFUSED(samara_backend_at(0, &key, NULL));
  REFUSED(samara_devices(NULL, NULL));
  REFUSED(samara_wait(NULL));
  CHECK(key == NULL && value == NULL);
  CHECK(samara_status_name((samara_status)1000) != NULL);
  CHECK(samara_finish_name((samara_finish)1000) != NULL);
}

static void test_no_model(void) {
  samara_model_info info;
  samara_sampling sampling;
  samara_statistics statistics;
  samara_profile_op op;
  samara_profile_event event;
  samara_session* session = (samara_session*)&failures;
  const char *key = NULL, *value = NULL;
  samara_detokenizer state;
  char text[8];
  int32_t token = 0;
  size_t n = 7;
  memset(&state, 0, sizeof state);
  info.struct_size = sizeof info;
  sampling.struct_size = sizeof sampling;
  statistics.struct_size = sizeof statistics;
  op.struct_size = sizeof op;
  event.struct_size = sizeof event;
  CHECK(samara_model_close(NULL) == SAMARA_OK);
  REFUSED(samara_model_get_info(NULL, &info));
  CHECK(samara_model_metadata(NULL, "license") == NULL);
  REFUSED(samara_model_metadata_at(NULL, 0, &key, &value));
  CHECK(samara_model_is_eos(NULL, 0) == 0);
  CHECK(samara_model_allocated(NULL) == 0);
  CHECK(samara_tokenize_work_size(NULL, 10) == 0);
  REFUSED(samara_tokenize(NULL, "a", 1, 0, NULL, 0, &token, 1, &n));
  REFUSED(samara_tokenize_spans(NULL, "a", 1, 0, NULL, 0, NULL, 0, &token, 1, &n));
  REFUSED(samara_detokenize(NULL, &state, 0, 0, text, sizeof text, &n));
  REFUSED(samara_detokenize_end(NULL, &state, text, sizeof text, &n));
  CHECK(samara_template_at(NULL, 0) == NULL);
  CHECK(samara_render_work_size(NULL, 10) == 0);
  REFUSED(samara_render(NULL, NULL, "[]", 2, NULL, 0, text, sizeof text, &n, NULL, 0, &n));
  REFUSED(samara_model_sampling(NULL, &sampling));
  REFUSED(samara_session_create(NULL, NULL, &session));
  samara_cancel(NULL);
  samara_cancel_clear(NULL);
  REFUSED(samara_model_statistics(NULL, &statistics));
  REFUSED(samara_profile_op_at(NULL, 0, &op));
  REFUSED(samara_profile_event_at(NULL, 0, &event));
  REFUSED(samara_profile_reset(NULL));
}

static void test_no_session(void) {
  samara_sampling sampling;
  samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
  samara_reply_statistics statistics;
  samara_session* none = NULL;
  samara_session* copy = (samara_session*)&failures;
  const float* values = NULL;
  int32_t token = 0;
  char data[8];
  size_t n = 0;
  sampling.struct_size = sizeof sampling;
  statistics.struct_size = sizeof statistics;
  samara_session_close(NULL);
  REFUSED(samara_session_reset(NULL));
  REFUSED(samara_session_set_sampling(NULL, &sampling));
  REFUSED(samara_feed(NULL, &token, 1));
  REFUSED(samara_step(NULL, 1));
  REFUSED(samara_step(&none, 1));
  REFUSED(samara_run(NULL));
  CHECK(samara_pending(NULL) == 0 && samara_length(NULL) == 0 && samara_tokens(NULL) == NULL);
  CHECK(samara_logits_rows(NULL) == 0);
  REFUSED(samara_logits(NULL, -1, &values, &n));
  REFUSED(samara_hidden(NULL, -1, &values, &n));
  REFUSED(samara_sample(NULL, &token));
  REFUSED(samara_rewind(NULL, 0));
  REFUSED(samara_fork(NULL, &copy));
  REFUSED(samara_save(NULL, "file"));
  REFUSED(samara_restore(NULL, "file"));
  REFUSED(samara_save_attached(NULL, "file", data, sizeof data));
  REFUSED(samara_restore_attached(NULL, "file", data, sizeof data, &n));
  REFUSED(samara_reply_begin(NULL, NULL));
  REFUSED(samara_reply_next(NULL, &event));
  REFUSED(samara_reply_get_statistics(NULL, &statistics));
}

/* A model and a session, but nothing else. */
static void test_no_results(samara_model* model, samara_session* session) {
  const char *key = NULL, *value = NULL;
  samara_detokenizer state;
  const float* values = NULL;
  char text[8];
  size_t n = 7;
  memset(&state, 0, sizeof state);
  REFUSED(samara_model_get_info(model, NULL));
  CHECK(samara_model_metadata(model, NULL) == NULL);
  REFUSED(samara_model_metadata_at(model, 0, NULL, &value));
  REFUSED(samara_model_metadata_at(model, 0, &key, NULL));
  REFUSED(samara_tokenize(model, NULL, 1, 0, NULL, 0, NULL, 0, &n));
  REFUSED(samara_tokenize(model, "a", 1, 0, NULL, 0, NULL, 0, NULL));
  REFUSED(samara_tokenize(model, "a", 1, 0, NULL, 0, NULL, 5, &n));
  REFUSED(samara_tokenize_spans(model, "a", 1, 0, NULL, 1, NULL, 0, NULL, 0, &n));
  REFUSED(samara_detokenize(model, NULL, 0, 0, text, sizeof text, &n));
  REFUSED(samara_detokenize(model, &state, 0, 0, NULL, 0, &n));
  REFUSED(samara_detokenize(model, &state, 0, 0, text, sizeof text, NULL));
  REFUSED(samara_detokenize_end(model, NULL, text, sizeof text, &n));
  REFUSED(samara_render(model, NULL, NULL, 2, NULL, 0, text, sizeof text, &n, NULL, 0, &n));
  REFUSED(samara_render(model, NULL, "[]", 2, NULL, 0, NULL, 5, &n, NULL, 0, &n));
  REFUSED(samara_render(model, NULL, "[]", 2, NULL, 0, text, sizeof text, NULL, NULL, 0, &n));
  REFUSED(samara_model_sampling(model, NULL));
  REFUSED(samara_session_create(model, NULL, NULL));
  REFUSED(samara_model_statistics(model, NULL));
  REFUSED(samara_profile_op_at(model, 0, NULL));
  REFUSED(samara_profile_event_at(model, 0, NULL));
  REFUSED(samara_session_set_sampling(session, NULL));
  REFUSED(samara_feed(session, NULL, 1));
  CHECK(samara_feed(session, NULL, 0) == SAMARA_OK);
  REFUSED(samara_logits(session, -1, NULL, &n));
  REFUSED(samara_logits(session, -1, &values, NULL));
  REFUSED(samara_hidden(session, -1, NULL, &n));
  REFUSED(samara_sample(session, NULL));
  REFUSED(samara_fork(session, NULL));
  REFUSED(samara_save(session, NULL));
  REFUSED(samara_restore(session, NULL));
  REFUSED(samara_save_attached(session, "file", NULL, 8));
  REFUSED(samara_restore_attached(session, "file", NULL, 8, &n));
  REFUSED(samara_restore_attached(session, "file", text, sizeof text, NULL));
  CHECK(samara_reply_begin(session, NULL) == SAMARA_OK);
  REFUSED(samara_reply_next(session, NULL));
  REFUSED(samara_reply_get_statistics(session, NULL));
}

int main(int argc, char** argv) {
  samara_model* model = NULL;
  samara_session* session = NULL;
  if (argc != 2) return 2;
  test_no_handle(argv[1]);
  test_no_model();
  test_no_session();
  CHECK(samara_model_open(argv[1], NULL, &model) == SAMARA_OK);
  if (model == NULL) return 1;
  CHECK(samara_session_create(model, NULL, &session) == SAMARA_OK);
  test_no_results(model, session);
  /* What returns no status leaves the error text alone, so that cleaning up does not hide it. */
  CHECK(samara_sample(session, NULL) != SAMARA_OK);
  samara_session_close(session);
  CHECK(samara_model_metadata(model, "no such key") == NULL);
  CHECK(strstr(samara_last_error(), "NULL") != NULL);
  CHECK(samara_model_close(model) == SAMARA_OK && samara_last_error()[0] == '\0');
  if (failures == 0) printf("null: all checks hold\n");
  return failures == 0 ? 0 : 1;
}
