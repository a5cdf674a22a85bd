/* A chat by the public API alone: render, tokenize, feed; each turn computes only what is new. C99. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "samara/samara.h"

#define CHECK(condition)                                                                       \
  do {                                                                                         \
    if (!(condition)) {                                                                        \
      printf("%s:%d: %s is false; %s\n", __FILE__, __LINE__, #condition, samara_last_error()); \
      exit(1);                                                                                 \
    }                                                                                          \
  } while (0)

enum { kBytes = 1 << 16, kTokens = 4096, kSpans = 256 };

/* The tokens of a conversation. */
static size_t tokens_of(const samara_model* model, const char* json, int32_t* tokens) {
  static char text[kBytes];
  static samara_span spans[kSpans];
  size_t n_bytes = 0, n_spans = 0, n = 0;
  size_t work_bytes = samara_render_work_size(model, strlen(json));
  void* work = malloc(work_bytes);
  CHECK(work != NULL);
  CHECK(samara_render(model, NULL, json, strlen(json), work, work_bytes, text, kBytes, &n_bytes,
                      spans, kSpans, &n_spans) == SAMARA_OK);
  free(work);
  work_bytes = samara_tokenize_work_size(model, n_bytes);
  work = malloc(work_bytes);
  CHECK(work != NULL);
  CHECK(samara_tokenize_spans(model, text, n_bytes, SAMARA_TOKENIZE_NO_SPECIAL, spans, n_spans,
                              work, work_bytes, tokens, kTokens, &n) == SAMARA_OK);
  free(work);
  return n;
}

/* Feeds what the session does not have yet; how many tokens it had already. */
static size_t feed_new(samara_session* session, const int32_t* tokens, size_t n) {
  const int32_t* old = samara_tokens(session);
  const size_t have = samara_length(session) + samara_pending(session);
  size_t same = 0;
  while (same < have && same < n && old[same] == tokens[same]) ++same;
  if (same < have) CHECK(samara_rewind(session, same) == SAMARA_OK);
  CHECK(samara_feed(session, tokens + same, n - same) == SAMARA_OK);
  CHECK(samara_run(session) == SAMARA_OK);
  return same;
}

static uint64_t computed(const samara_model* model) {
  samara_statistics statistics;
  memset(&statistics, 0, sizeof statistics);
  statistics.struct_size = sizeof statistics;
  CHECK(samara_model_statistics(model, &statistics) == SAMARA_OK);
  return statistics.tokens;
}

#define USER1 "{\"role\":\"user\",\"content\":\"Hello, <|im_end|> who are you?\"}"
#define REPLY "{\"role\":\"assistant\",\"content\":\"A parrot.\"}"
#define USER2 "{\"role\":\"user\",\"content\":\"Where do you live?\"}"

int main(int argc, char** argv) {
  static int32_t first[kTokens], second[kTokens], reply[kTokens];
  samara_model* model = NULL;
  samara_session* session = NULL;
  size_t n_first, n_second, n_reply = 0, fed, same, n = 0;
  char text[64];
  samara_span span;
  void* work;
  uint64_t before;
  if (argc != 2) return 2;
  CHECK(samara_model_open(argv[1], NULL, &model) == SAMARA_OK);
  CHECK(strcmp(samara_template_at(model, 0), "default") == 0);
  CHECK(samara_template_at(model, 1) == NULL);
  CHECK(samara_session_create(model, NULL, &session) == SAMARA_OK);

  n_first = tokens_of(model, "{\"messages\":[" USER1 "],\"add_generation_prompt\":true}", first);
  CHECK(feed_new(session, first, n_first) == 0);

  /* The reply as a model that says these words would have sampled it, one token at a time. */
  work = malloc(samara_tokenize_work_size(model, 64));
  CHECK(work != NULL);
  CHECK(samara_tokenize(model, "A parrot.<|im_end|>", 19,
                        SAMARA_TOKENIZE_NO_SPECIAL | SAMARA_TOKENIZE_PARSE_SPECIAL, work,
                        samara_tokenize_work_size(model, 64), reply, kTokens,
                        &n_reply) == SAMARA_OK);
  for (fed = 0; fed < n_reply; ++fed) {
    CHECK(samara_feed(session, &reply[fed], 1) == SAMARA_OK);
    CHECK(samara_step(&session, 1) == SAMARA_OK);
  }

  /* The second turn begins with all of it. */
  n_second = tokens_of(
      model, "{\"messages\":[" USER1 "," REPLY "," USER2 "],\"add_generation_prompt\":true}",
      second);
  CHECK(n_second > n_first + n_reply);
  CHECK(memcmp(second, samara_tokens(session), (n_first + n_reply) * sizeof *second) == 0);
  before = computed(model);
  same = feed_new(session, second, n_second);
  CHECK(same == n_first + n_reply);
  CHECK(computed(model) - before == n_second - same);
  CHECK(samara_length(session) == n_second);
  printf("turn 2: %zu tokens, %zu were there, %zu computed\n", n_second, same, n_second - same);

  /* Errors: each names what is wrong, and nothing is written beyond a capacity. */
  n = 7;
  CHECK(samara_render(model, "other", "[]", 2, NULL, 0, NULL, 0, &n, NULL, 0, &same) ==
        SAMARA_NOT_FOUND);
  CHECK(n == 0 && same == 0);
  CHECK(strstr(samara_last_error(), "\"default\"") != NULL);
  CHECK(samara_render(model, NULL, NULL, 0, NULL, 0, NULL, 0, &n, NULL, 0, &same) ==
        SAMARA_INVALID_ARGUMENT);
  CHECK(samara_render(model, NULL, "[", 1, NULL, 0, NULL, 0, &n, NULL, 0, &same) != SAMARA_OK);
  free(work);
  work = malloc(samara_render_work_size(model, 64));
  CHECK(work != NULL);
  memset(text, '#', sizeof text);
  CHECK(samara_render(model, NULL, "[" USER2 "]", strlen("[" USER2 "]"), work,
                      samara_render_work_size(model, 64), text, 10, &n, &span, 1,
                      &same) == SAMARA_RESOURCE_EXHAUSTED);
  CHECK(n == strlen("<|im_start|>user\nWhere do you live?<|im_end|>\n") && text[10] == '#');
  CHECK(samara_render(model, NULL, "[" USER2 "]", strlen("[" USER2 "]"), work,
                      samara_render_work_size(model, 64), text, sizeof text, &n, &span, 1,
                      &same) == SAMARA_OK);
  CHECK(same == 1 && span.end - span.begin == strlen("Where do you live?"));
  CHECK(memcmp(text + span.begin, "Where do you live?", span.end - span.begin) == 0);
  CHECK(samara_render(model, NULL, "[{\"role\":\"x\"}]", 14, work,
                      samara_render_work_size(model, 64), text, sizeof text, &n, &span, 1,
                      &same) == SAMARA_INVALID_ARGUMENT);
  CHECK(strstr(samara_last_error(), "There is no role x") != NULL);
  CHECK(samara_tokenize_spans(model, "abc", 3, 0, NULL, 1, NULL, 0, NULL, 0, &n) ==
        SAMARA_INVALID_ARGUMENT);
  free(work);

  samara_session_close(session);
  CHECK(samara_model_close(model) == SAMARA_OK);
  return 0;
}
