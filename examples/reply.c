/* Prints a prompt and what the model writes after it.
 *   cc reply.c $(pkg-config --cflags --libs samara) -o reply
 *   ./reply model.samara "Once upon a time" */
#include <samara/samara.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The prompt's tokens, appended to the session. */
static int feed(const samara_model* model, samara_session* session, const char* prompt) {
  const size_t n = strlen(prompt), work_size = samara_tokenize_work_size(model, n);
  const size_t capacity = n + 64; /* more than common texts need; one that needs more is an error */
  void* work = malloc(work_size);
  int32_t* tokens = malloc(capacity * sizeof *tokens);
  size_t n_tokens = 0;
  const int ok = work != NULL && tokens != NULL &&
                 samara_tokenize(model, prompt, n, 0, work, work_size, tokens, capacity,
                                 &n_tokens) == SAMARA_OK &&
                 samara_feed(session, tokens, n_tokens) == SAMARA_OK;
  free(tokens);
  free(work);
  return ok;
}

/* Prints the reply as it comes. */
static int stream(samara_session* session) {
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
  options.max_tokens = 64;
  options.continues_text = 1;
  if (samara_reply_begin(session, &options) != SAMARA_OK) return 0;
  do {
    if (samara_reply_next(session, &event) != SAMARA_OK) return 0;
    if (fwrite(event.text, 1, event.n_bytes, stdout) != event.n_bytes || fflush(stdout)) return 0;
  } while (event.finish == SAMARA_FINISH_NONE);
  return puts("") >= 0;
}

int main(int argc, char** argv) {
  samara_model* model = NULL;
  samara_session* session = NULL;
  int ok;
  if (argc != 3) return fputs("usage: reply MODEL.samara PROMPT\n", stderr), 2;
  ok = samara_model_open(argv[1], NULL, &model) == SAMARA_OK &&
       samara_session_create(model, NULL, &session) == SAMARA_OK && feed(model, session, argv[2]) &&
       fputs(argv[2], stdout) >= 0 && stream(session);
  if (!ok) fprintf(stderr, "reply: failed: %s\n", samara_last_error());
  samara_session_close(session); /* both accept NULL */
  samara_model_close(model);
  return ok ? 0 : 1;
}
