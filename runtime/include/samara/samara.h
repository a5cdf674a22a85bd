/* Samara: run packed language models on the device at hand. The only public header; C99.
 *
 * Conventions
 *   - Functions that can fail return samara_status. Besides the codes named at a function, each may return
 *     SAMARA_INVALID_ARGUMENT (NULL where no NULL is allowed, a wrong struct_size, a value out of range),
 *     SAMARA_OUT_OF_MEMORY, SAMARA_DEVICE_LOST (devices other than the CPU), and SAMARA_INTERNAL (a defect of Samara).
 *     A call that fails changes nothing, unless said. Functions that return something else cannot fail; given a NULL
 *     handle they do nothing and answer 0 or NULL.
 *   - Results are written on success only. A handle that a function makes, and the counts n_tokens and n_bytes, are
 *     NULL or 0 after a failure (*n_tokens: see samara_tokenize). Pointers to results must not be NULL, unless said.
 *   - Structs that grow start with `struct_size`; set it with the SAMARA_..._INIT macros or, in structs that a function
 *     fills, by hand. Fields that are left zero mean the default. A size that this library does not know is
 *     SAMARA_INVALID_ARGUMENT. Structs and strings that are passed in may be freed after the call.
 *   - Strings are UTF-8, zero-terminated unless a length goes with them. Sizes are bytes, times are seconds, positions
 *     and lengths are tokens, unless said. Pointers of a model's info or metadata are valid until it is closed.
 *   - Threads: functions without a handle, and all that take a `const samara_model*`, may be called by any thread at any
 *     time. A session is used by one thread at a time, by `const` functions too; different sessions of a model may be
 *     used at the same time, and calls that compute, or that make, close, fork, rewind or reset sessions, then wait for
 *     each other. Logits stay until the model's next step, whoever takes it: threads that step sessions of their own keep
 *     others out from step to samara_sample, or feed the last token again when they get SAMARA_FAILED_PRECONDITION.
 *   - A model's sessions are closed before it. Every close accepts NULL.
 *   - A samara_step that fails after it has begun to compute poisons the sessions that took part: feed, step, rewind,
 *     fork, save and reads of results answer SAMARA_FAILED_PRECONDITION until samara_session_reset or samara_restore. A
 *     cancelled step poisons none: its tokens stay pending, and the session goes on after samara_cancel_clear.
 *   - Memory: samara_plan lists every byte; open and session_create allocate exactly what is listed (containers that
 *     live while a model loads aside); feed, step, sample, tokenize and detokenize allocate nothing. When an allocation
 *     fails: SAMARA_OUT_OF_MEMORY, and nothing leaks.
 *   - The library writes nothing to any stream, installs no signal handler, never ends the process and reads no
 *     environment variable but SAMARA_ISA and SAMARA_PLUGIN_PATH (drivers of devices read their own). A file that is mapped must not shrink while its model is open: that is
 *     SIGBUS, as for every map; `no_mmap` avoids it.
 */
#ifndef SAMARA_H_
#define SAMARA_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(SAMARA_STATIC)
#define SAMARA_API
#else
#define SAMARA_API __attribute__((visibility("default")))
#endif

/* clang-format off */
#ifdef __cplusplus
#define SAMARA_ZERO_ {}
#else
#define SAMARA_ZERO_ {0}
#endif
#define SAMARA_INIT_(type)                 \
  static inline type type##_init(void) {   \
    type object = SAMARA_ZERO_;            \
    object.struct_size = sizeof(object);   \
    return object;                         \
  }
/* clang-format on */

#define SAMARA_VERSION_MAJOR 0
#define SAMARA_VERSION_MINOR 1
#define SAMARA_VERSION_PATCH 0

typedef enum samara_status {
  SAMARA_OK = 0,
  SAMARA_INVALID_ARGUMENT = 1,    /* what the caller gave is wrong in itself */
  SAMARA_NOT_FOUND = 2,           /* no such file, backend, or entry of a list */
  SAMARA_INVALID_FILE = 3,        /* the file is damaged, cut off, or no package */
  SAMARA_UNSUPPORTED = 4,         /* this library, machine or package cannot do that */
  SAMARA_OUT_OF_MEMORY = 5,       /* an allocation failed */
  SAMARA_RESOURCE_EXHAUSTED = 6,  /* a limit or room that the caller gave is used up */
  SAMARA_IO_ERROR = 7,            /* the system refused to open, read or write */
  SAMARA_CANCELLED = 8,           /* by samara_cancel or a progress callback */
  SAMARA_FAILED_PRECONDITION = 9, /* right in itself, but not now */
  SAMARA_DEVICE_LOST = 10,        /* the device stopped answering; close the model */
  SAMARA_INTERNAL = 11            /* a defect of Samara */
} samara_status;

typedef struct samara_model samara_model;
typedef struct samara_session samara_session;

SAMARA_API const char* samara_version(void); /* "MAJOR.MINOR.PATCH" of the library */
SAMARA_API const char* samara_status_name(samara_status status); /* "INVALID_FILE"; never NULL */
/* One line that names the thing, what it got and what it wanted; "" if the calling thread's last call of a function
 * that returns samara_status succeeded. Valid until its next such call. At most 1023 bytes. */
SAMARA_API const char* samara_last_error(void);

/* ---- Opening a model ------------------------------------------------------------------------------- */

typedef enum samara_kv_type {
  SAMARA_KV_DEFAULT = 0,
  SAMARA_KV_F32 = 1,
  SAMARA_KV_F16 = 2,
  SAMARA_KV_Q8_0 = 3, /* int8 with a scale per 32 dims: about half of F16's memory */
  SAMARA_KV_Q4_0 = 4  /* 4 bits with a scale per 32 dims: about 28 % of F16's memory; on CPU */
} samara_kv_type;
typedef enum samara_log_level { SAMARA_LOG_INFO = 0, SAMARA_LOG_WARNING = 1 } samara_log_level;

/* Callbacks run in the thread that called the library, with no lock held, and must not throw. `user` is the options'.
 * A line has no line break and is valid during the call. */
typedef void (*samara_log_fn)(void* user, samara_log_level level, const char* line);
/* Progress of loading (bytes of weights) or prefill (tokens, after each step of samara_run); `stage` is "load" or
 * "prefill". Return non-zero to cancel: the call that reports then ends with SAMARA_CANCELLED. */
typedef int (*samara_progress_fn)(void* user, const char* stage, uint64_t done, uint64_t total);

/* The caller's pool: calls body(context, worker) exactly once for each worker = 0, 1, ..., n_workers - 1 and returns
 * when all of these calls have returned. They may run at the same time, on any threads, in any order, or one after the
 * other on one thread: the results are the same bits. The bodies take the work from one counter, so one that starts
 * late finds less of it, or none, and returns.
 * Samara calls it from the thread that is in samara_step or samara_run, many times a step, one call at a time for a
 * model; models that share a pool call it at the same time if they step at the same time. n_workers is at most the
 * model's n_threads. What is too little to share is done without it. A body needs 256 KiB of stack, waits for nothing,
 * and sets the floating-point environment for its own time. The function must not throw, and must not call Samara for
 * this model (samara_cancel excepted). */
typedef void (*samara_worker_fn)(void* context, uint32_t worker);
typedef void (*samara_parallel_fn)(void* parallel_user, uint32_t n_workers, samara_worker_fn body,
                                   void* context);

typedef struct samara_model_options {
  size_t struct_size;
  /* NULL or "auto": the first that works (a GPU's, else "cpu"); "cpu", "cuda", "vulkan", ...: that one, else NOT_FOUND,
   * or UNSUPPORTED if its plug-in is not of this build. */
  const char* backend;
  /* CPU path; NULL or "": SAMARA_ISA, else the best; an absent one is UNSUPPORTED. */
  const char* isa;
  uint32_t n_threads; /* 0: the CPUs that this process may use */
  uint32_t n_ctx;     /* of a session; 0: min(trained, 4096). More than trained is only warned of */
  uint32_t max_sessions;  /* at a time; 0: 1. Their state is reserved at open */
  uint32_t n_chunk;       /* most tokens of one step, at most n_ctx; 0: 128 */
  uint32_t max_outputs;   /* most rows of logits of one step, at most n_chunk; 0: max_sessions */
  samara_kv_type kv_type; /* default: F32 for packages with F32 matrices, else F16 */
  uint64_t memory_budget; /* bytes that may be counted, else RESOURCE_EXHAUSTED; 0: no limit */
  uint32_t no_mmap;       /* 1: read the weights into private memory */
  uint32_t decompose;     /* 1: run composite operators by their decomposition (slow) */
  uint32_t keep_values;   /* 1: no reuse of activation memory (for verification) */
  samara_log_fn log;      /* while opening and in samara_plan; NULL: none */
  samara_progress_fn progress; /* while opening and in samara_run; NULL: none */
  void* user;                  /* passed to both */
  uint32_t profile;            /* events kept by a profile; 0: no profile, and no time is taken */

  /* Threads. By default Samara has n_threads - 1 workers of its own beside the thread that steps; one that finds no
   * work spins for some microseconds and then sleeps. There is no use in more than the processors that the process may
   * use: such workers are counted in the memory list, but not started. */
  samara_parallel_fn parallel; /* the caller's pool: Samara starts no thread; NULL: its own */
  void* parallel_user;         /* passed to `parallel` */
  /* Processors as in "0,2-3", each once (INVALID_ARGUMENT if this process may not use one; Linux only, else
   * UNSUPPORTED). The first is the stepping thread's, the workers are pinned to those after it, one each, and
   * n_threads = 0 means as many threads as processors are listed. Not together with `parallel`. NULL or "": the system
   * places threads. */
  const char* affinity;
  uint32_t pin_caller; /* 1: while it steps, the stepping thread runs on the first of them too */

  /* Devices with a memory of their own. At most device_memory bytes of it are taken, and layers that find no room run
   * on the CPU, the first ones first; the log tells how many. 0: the whole model. Operators that a device lacks run on
   * the CPU; inside repeated layers only with cut_layers = 1, else UNSUPPORTED. */
  uint64_t device_memory;
  uint32_t cut_layers;
} samara_model_options;
#define SAMARA_MODEL_OPTIONS_INIT samara_model_options_init()
SAMARA_INIT_(samara_model_options)

/* From a path, from memory that outlives the model (alignment 64), or from `length` bytes at `offset` of a file
 * descriptor (duplicated; length 0: up to the file's end; offset a multiple of 64 unless no_mmap). `options` may be
 * NULL: all defaults. Weights are mapped, not read; memory is used in place. The path must name a regular file.
 * NOT_FOUND (file, backend), INVALID_FILE, UNSUPPORTED (what the package needs and this library lacks, by name),
 * RESOURCE_EXHAUSTED (memory_budget; or the system refuses a thread), IO_ERROR, CANCELLED. */
SAMARA_API samara_status samara_model_open(const char* path, const samara_model_options* options,
                                           samara_model** model);
SAMARA_API samara_status samara_model_open_memory(const void* data, size_t size,
                                                  const samara_model_options* options,
                                                  samara_model** model);
SAMARA_API samara_status samara_model_open_fd(int fd, uint64_t offset, uint64_t length,
                                              const samara_model_options* options,
                                              samara_model** model);
/* FAILED_PRECONDITION, and the model stays open, while sessions exist. No other call may use the model at that time. */
SAMARA_API samara_status samara_model_close(samara_model* model);

typedef struct samara_model_info {
  size_t struct_size;
  const char* name;     /* of the package */
  const char* backend;  /* "cpu" */
  const char* device;   /* "cpu avx512vnni, 2 threads" */
  uint32_t vocab;       /* logits in a row */
  uint32_t token_vocab; /* ids that can be tokenized, detokenized and sampled */
  uint32_t n_ctx, n_chunk, max_sessions, max_outputs, n_threads; /* as the options were taken */
  uint64_t trained_ctx;                                          /* 0: not told by the package */
  int32_t bos;                                                   /* -1: none */
  samara_kv_type kv_type;
  uint64_t parameters; /* elements of all weights */
  uint64_t file_bytes;
} samara_model_info;
/* Set info->struct_size. */
SAMARA_API samara_status samara_model_get_info(const samara_model* model, samara_model_info* info);
/* Free text of the package ("license", "converter", "general.architecture", ...), by its key; NULL if absent. Or one
 * after the other, from index 0: NOT_FOUND past the end. */
SAMARA_API const char* samara_model_metadata(const samara_model* model, const char* key);
SAMARA_API samara_status samara_model_metadata_at(const samara_model* model, uint32_t index,
                                                  const char** key, const char** value);
/* 1 if the token ends a reply (the package may know several), else 0. */
SAMARA_API int samara_model_is_eos(const samara_model* model, int32_t token);

/* ---- Memory before load ---------------------------------------------------------------------------- */

typedef enum samara_memory_class {
  SAMARA_MEMORY_HEAP = 0,   /* counted: allocated by Samara */
  SAMARA_MEMORY_DEVICE = 1, /* counted: device memory */
  SAMARA_MEMORY_STACK = 2,  /* counted: stacks of Samara's threads */
  SAMARA_MEMORY_MAPPED = 3  /* apart: pages of the file, reclaimable */
} samara_memory_class;

typedef struct samara_memory_item {
  const char* name; /* valid during the callback */
  uint64_t bytes;
  uint32_t alignment;
  samara_memory_class kind;
  int per_session; /* 1: allocated by samara_session_create, else by open */
} samara_memory_item;

/* The list for this package and these options, without reading a weight byte (their bytes need not exist). `each` is
 * called for each item, those of a session once for each of max_sessions; *counted becomes the sum of what counts.
 * `options->memory_budget` is ignored. options, each, user and counted may be NULL. Errors as samara_model_open. */
typedef void (*samara_memory_fn)(void* user, const samara_memory_item* item);
SAMARA_API samara_status samara_plan(const char* path, const samara_model_options* options,
                                     samara_memory_fn each, void* user, uint64_t* counted);
/* What an open model holds now (sessions included), as its allocator counted it. */
SAMARA_API uint64_t samara_model_allocated(const samara_model* model);

/* ---- Text ------------------------------------------------------------------------------------------ */

#define SAMARA_TOKENIZE_NO_SPECIAL 1u    /* do not add BOS/EOS */
#define SAMARA_TOKENIZE_PARSE_SPECIAL 2u /* special tokens written in the text become their ids */

/* Bytes of work area that suffice for any text of this length; 0 without a tokenizer. Some times the text's length. */
SAMARA_API size_t samara_tokenize_work_size(const samara_model* model, size_t text_bytes);
/* Token ids of a text of `text_bytes` bytes, which may hold zeros. `work` needs no alignment and holds nothing after the
 * call; INVALID_ARGUMENT if it is too small. *n_tokens is the number needed; RESOURCE_EXHAUSTED if that is more than
 * capacity (0, with `tokens` NULL, counts only), or, with *n_tokens 0, if the text is too long for the tokenizer. Each
 * maximal ill-formed subsequence of UTF-8 counts as one U+FFFD. UNSUPPORTED without a tokenizer. */
SAMARA_API samara_status samara_tokenize(const samara_model* model, const char* text,
                                         size_t text_bytes, uint32_t flags, void* work,
                                         size_t work_bytes, int32_t* tokens, size_t capacity,
                                         size_t* n_tokens);

/* A part of a text: bytes begin <= i < end. */
typedef struct samara_span {
  size_t begin, end;
} samara_span;

/* The same with SAMARA_TOKENIZE_PARSE_SPECIAL for a text that is partly somebody else's, as samara_render gives it:
 * `data` are n_data spans of it, ascending and apart (else INVALID_ARGUMENT; they need not begin or end with a
 * character). A token that the vocabulary lists as added, special or not ("<|im_end|>", "<tool_call>"), is never
 * recognized where it touches a byte of them; there it is cut up like any other text. Added tokens of nothing but white
 * space are the exception: they control nothing. All else is as in samara_tokenize, so words and white space join over
 * the ends of a span as they do in the text. With n_data = 0 it is samara_tokenize. */
SAMARA_API samara_status samara_tokenize_spans(const samara_model* model, const char* text,
                                               size_t text_bytes, uint32_t flags,
                                               const samara_span* data, size_t n_data, void* work,
                                               size_t work_bytes, int32_t* tokens, size_t capacity,
                                               size_t* n_tokens);

/* Streaming: bytes of an unfinished character wait in `state` (zero it first), so that what is written is whole
 * characters, possibly none. `special` != 0 prints special tokens. Writes at most `capacity` bytes, no terminating
 * zero; 1024 suffices unless the package has longer tokens, else RESOURCE_EXHAUSTED, the state as before. The end
 * writes U+FFFD for a character that was never finished. INVALID_ARGUMENT: an id outside token_vocab. UNSUPPORTED: no
 * tokenizer. */
typedef struct samara_detokenizer {
  unsigned char opaque[24];
} samara_detokenizer;
SAMARA_API samara_status samara_detokenize(const samara_model* model, samara_detokenizer* state,
                                           int32_t token, int special, char* text, size_t capacity,
                                           size_t* n_bytes);
SAMARA_API samara_status samara_detokenize_end(const samara_model* model, samara_detokenizer* state,
                                               char* text, size_t capacity, size_t* n_bytes);

/* ---- Chat templates -------------------------------------------------------------------------------- */

/* Name of a template of the package, valid as long as the model: "default" first, then others; NULL past the end. */
SAMARA_API const char* samara_template_at(const samara_model* model, uint32_t index);
/* Bytes of work area that ordinary conversations of this length need; 0 without a template. */
SAMARA_API size_t samara_render_work_size(const samara_model* model, size_t json_bytes);

/* Renders a conversation: `json` is UTF-8 JSON text, either an array of messages,
 *   [{"role": "user", "content": "Hello"}, ...]
 * or an object of the template's variables: "messages", "tools", "documents", "add_generation_prompt" (false unless
 * given; true ends the text where the model's reply begins) and any other that the template knows. Beside these it sees
 * the package's special tokens (bos_token, eos_token, ...), as with transformers' apply_chat_template.
 *   template_name  NULL: "tool_use" if there is such a template and tools are given, else "default"
 *   work           any alignment; no other memory is used. samara_render_work_size says how much, a template that builds
 *                  more needs more (RESOURCE_EXHAUSTED; no text is given then)
 *   text           gets the text, not zero-terminated; *n_bytes is its length
 *   spans          gets the spans of the text that come from `json` and not from the template, ascending and apart;
 *                  *n_spans is their number
 * To make tokens of it: samara_tokenize_spans(model, text, n_bytes, SAMARA_TOKENIZE_NO_SPECIAL, spans, n_spans, ...).
 * NO_SPECIAL because the template writes BOS itself, so there is one and not two; the spans because a user who writes
 * "<|im_end|>" must not end his turn by it. Each text that begins with the same messages begins with the same tokens up
 * to where the texts differ (but for the last token before that place, which may join with what follows): a caller
 * compares the list with samara_tokens, rewinds to the first difference and feeds the rest.
 * Errors: INVALID_ARGUMENT for ill-formed JSON and for what the template refuses, whose message is in
 * samara_last_error(); NOT_FOUND for a name that the package has not; UNSUPPORTED for a template that this version
 * cannot evaluate; RESOURCE_EXHAUSTED if a buffer is too small, with *n_bytes and *n_spans as needed if both are known
 * (else 0), or if the template takes too many steps, nests too deep or writes too much.
 * Any number of threads may render with one model; a call takes at most 256 KiB of stack. The time that strftime_now
 * tells is the system's local time. */
SAMARA_API samara_status samara_render(const samara_model* model, const char* template_name,
                                       const char* json, size_t json_bytes, void* work,
                                       size_t work_bytes, char* text, size_t capacity,
                                       size_t* n_bytes, samara_span* spans, size_t span_capacity,
                                       size_t* n_spans);

/* ---- Sessions -------------------------------------------------------------------------------------- */

/* How a token is drawn: penalties first, then temperature, top_k, top_p, min_p. Out of range: INVALID_ARGUMENT. */
typedef struct samara_sampling {
  size_t struct_size;
  float temperature; /* >= 0; 0: greedy, the lowest id among equals */
  uint32_t top_k;    /* only the likeliest so many; 0: off */
  float top_p;       /* only the likeliest that make up this share; 1 or 0: off */
  float min_p;       /* drop what is less likely than this times the likeliest; 0 to 1; 0: off */
  float repetition_penalty; /* > 0, over the last `penalty_window` tokens; 1 or 0: off */
  float frequency_penalty;  /* taken off the logit for each occurrence there; 0: off */
  float presence_penalty;   /* taken off once; 0: off */
  uint32_t penalty_window;  /* tokens looked back on; 0: no penalties */
  uint64_t seed;            /* same seed, same logits: same tokens, everywhere */
} samara_sampling;

typedef struct samara_session_options {
  size_t struct_size;
  const samara_sampling* sampling; /* NULL: the package's defaults, seed 0 */
  uint32_t all_logits; /* 1: logits of every token fed (needs max_outputs >= tokens of a step) */
} samara_session_options;
#define SAMARA_SESSION_OPTIONS_INIT samara_session_options_init()
SAMARA_INIT_(samara_session_options)

/* The package's defaults; greedy where it has none. Set sampling->struct_size. */
SAMARA_API samara_status samara_model_sampling(const samara_model* model,
                                               samara_sampling* sampling);

/* An empty session. `options` may be NULL. RESOURCE_EXHAUSTED if max_sessions exist. */
SAMARA_API samara_status samara_session_create(samara_model* model,
                                               const samara_session_options* options,
                                               samara_session** session);
SAMARA_API void samara_session_close(samara_session* session);
/* Empty and unpoisoned; the generator starts again from the seed. */
SAMARA_API samara_status samara_session_reset(samara_session* session);
/* From the next sample on; the generator starts from the new seed. */
SAMARA_API samara_status samara_session_set_sampling(samara_session* session,
                                                     const samara_sampling* sampling);

/* Appends tokens to be computed by coming steps; `tokens` may be NULL if n is 0. RESOURCE_EXHAUSTED if the context cannot
 * hold them all, INVALID_ARGUMENT for an id outside `vocab`: nothing is appended then. */
SAMARA_API samara_status samara_feed(samara_session* session, const int32_t* tokens, size_t n);
/* Computes up to n_chunk pending tokens of these sessions of one model in one pass, taken in turn from the first
 * session on. Sessions with none pending are skipped, and of those whose last token would be computed as many as fit
 * into max_outputs get results; the others keep a token pending for the next step. INVALID_ARGUMENT if a session stands
 * there twice or is of another model. FAILED_PRECONDITION if none has pending tokens. CANCELLED. INVALID_FILE if logits
 * are not finite: weights or states overflow. */
SAMARA_API samara_status samara_step(samara_session* const* sessions, size_t n);
/* Steps until nothing is pending; reports progress "prefill" to the model's callback. Errors as samara_step. What was
 * computed before an error stays, and after CANCELLED samara_run goes on from there. */
SAMARA_API samara_status samara_run(samara_session* session);
/* A step on a GPU may return before its work is done; what reads its results waits, and an error of the device comes up
 * there, for all steps since the last wait. This waits for everything, reading nothing. */
SAMARA_API samara_status samara_wait(samara_model* model);
SAMARA_API size_t samara_pending(const samara_session* session); /* tokens to be computed */
SAMARA_API size_t samara_length(const samara_session* session);  /* tokens computed */
/* samara_length tokens that are computed, then samara_pending ones. The place stays until the session is closed. */
SAMARA_API const int32_t* samara_tokens(const samara_session* session);

/* The `vocab` logits after the last computed token (row -1), or of row i (0 the first) of this session in the model's
 * last step with all_logits. Valid until the model's next step. FAILED_PRECONDITION while tokens are pending (row -1),
 * or if the session took no part in that step or was rewound after it. */
SAMARA_API samara_status samara_logits(const samara_session* session, int64_t row,
                                       const float** logits, size_t* n);
/* Rows that this session has of the model's last step. */
SAMARA_API size_t samara_logits_rows(const samara_session* session);
/* The same for the last hidden state (after the final norm); UNSUPPORTED if the package does not have that output. */
SAMARA_API samara_status samara_hidden(const samara_session* session, int64_t row,
                                       const float** values, size_t* n);
/* Draws the next token, an id below token_vocab, from row -1 of the logits; does not feed it. Errors as samara_logits. */
SAMARA_API samara_status samara_sample(samara_session* session, int32_t* token);

/* Forgets all tokens from position `length` on, pending ones too. INVALID_ARGUMENT beyond the end. UNSUPPORTED beyond a
 * state's rewind limit (0 is always possible). After it, tokens must be fed before logits can be read. The generator of
 * random numbers is left alone. */
SAMARA_API samara_status samara_rewind(samara_session* session, size_t length);
/* A new session with the same tokens, sampling, generator and results. What both have computed is shared, and copied a
 * block at a time when one of them writes on. RESOURCE_EXHAUSTED if max_sessions exist. */
SAMARA_API samara_status samara_fork(samara_session* session, samara_session** copy);

/* Saves tokens (computed and pending), sampling parameters, the generator and the filled part of the states
 * (formats/session_format.h); logits and a reply under way are not saved. A regular file or nothing stands at `path`;
 * the new file is whole or not there, and readable by its owner only. Errors of the file system are IO_ERROR (NOT_FOUND
 * without the folder) with the system's reason, and leave an older file as it was and nothing else behind.
 * FAILED_PRECONDITION for a poisoned session, UNSUPPORTED on a backend whose states have a form of their own. Other
 * sessions of the model wait while it writes, not while it syncs. Uses 64 KiB while it runs. */
SAMARA_API samara_status samara_save(const samara_session* session, const char* path);
/* Makes the session what was saved, and goes on with the same bits: options of the model other than kv_type and
 * `decompose` may differ (RESOURCE_EXHAUSTED if the context is too short), `all_logits` stays the session's own. Where
 * nothing was pending, the last token is pending again, as logits are not in the file: samara_length is one less, and
 * the first step gives its logits. The session may be poisoned or hold anything.
 * FAILED_PRECONDITION if it was saved with another package, kv type or numerics; INVALID_FILE if the file is damaged:
 * everything in it is covered by SHA-256. After an error the session is as it was, or empty if its states were already
 * being read. Uses 64 KiB while it runs. */
SAMARA_API samara_status samara_restore(samara_session* session, const char* path);
/* The same with up to 64 MiB of the program's own (a conversation as text, say). *bytes is what the file has;
 * RESOURCE_EXHAUSTED if that is more than capacity, and then the session is as it was: capacity 0 asks for the size. */
SAMARA_API samara_status samara_save_attached(const samara_session* session, const char* path,
                                              const void* data, size_t bytes);
SAMARA_API samara_status samara_restore_attached(samara_session* session, const char* path,
                                                 void* data, size_t capacity, size_t* bytes);

/* ---- Replies: tokens drawn one after the other, as text --------------------------------------------- */

/* A reply belongs to its session and needs no memory beyond the session's listed bytes: a session has at most one, and
 * samara_reply_begin ends the one before. samara_session_reset, samara_rewind and samara_restore end it too; a fork
 * has none. The loop of a program:
 *
 *   samara_feed(session, prompt, n); samara_reply_begin(session, &options);
 *   do { status = samara_reply_next(session, &event); print(event.text, event.n_bytes); }
 *   while (status == SAMARA_OK && event.finish == SAMARA_FINISH_NONE);
 *
 * Several sessions at a time: samara_step all of them, then samara_reply_next each, which then finds nothing pending
 * and only draws. Threads with sessions of their own need no more than samara_reply_next: its last step and its draw
 * are one operation of the model's lock. */
#define SAMARA_MAX_STOPS 16
#define SAMARA_MAX_STOP_BYTES 256
#define SAMARA_MAX_LOGIT_BIAS 512
#define SAMARA_MAX_TOP_LOGPROBS 20

typedef struct samara_logit_bias {
  int32_t token;
  float bias; /* added to the logit before all else; -INFINITY: never drawn; else -1e9 to 1e9 */
} samara_logit_bias;

typedef struct samara_reply_options {
  size_t struct_size;
  uint64_t max_tokens; /* 0: as many as the context holds */
  /* The reply ends before the first of these strings (UTF-8, 1 to SAMARA_MAX_STOP_BYTES bytes, copied) to be complete
   * in its text, as if that came byte by byte; of several that end at the same byte, the longest. They are found
   * across tokens, and no part of one is ever handed out. A special token that is not printed ends the reply if one of
   * them is its text. */
  const char* const* stops;
  size_t n_stops; /* at most SAMARA_MAX_STOPS */
  /* Copied; a token that stands there twice gets both. RESOURCE_EXHAUSTED beyond SAMARA_MAX_LOGIT_BIAS. */
  const samara_logit_bias* logit_bias;
  size_t n_logit_bias;
  uint32_t logprobs;     /* 1: the log-probability of each token drawn */
  uint32_t top_logprobs; /* the likeliest tokens told with each, at most SAMARA_MAX_TOP_LOGPROBS */
  uint32_t ignore_eos;   /* 1: ids that end a text are tokens like others */
  uint32_t special;      /* 1: special tokens are printed */
  /* 1: the text goes on where that of the session's tokens ends (raw completion): a leading space stays, and a
   * character that the prompt left unfinished is completed. 0: a text of its own, as if decoded alone. */
  uint32_t continues_text;
} samara_reply_options;
#define SAMARA_REPLY_OPTIONS_INIT samara_reply_options_init()
SAMARA_INIT_(samara_reply_options)

typedef enum samara_finish {
  SAMARA_FINISH_NONE = 0,     /* the reply goes on */
  SAMARA_FINISH_EOS = 1,      /* a token that ends a text was drawn (samara_model_is_eos) */
  SAMARA_FINISH_STOP = 2,     /* a stop string */
  SAMARA_FINISH_LENGTH = 3,   /* max_tokens */
  SAMARA_FINISH_CONTEXT = 4,  /* the context is full: the last token has no place in it */
  SAMARA_FINISH_CANCELLED = 5 /* samara_cancel, or the progress callback */
} samara_finish;
SAMARA_API const char* samara_finish_name(samara_finish finish); /* "eos"; "none" */

/* Natural logarithm of a token's probability as the model gives it: the softmax of the raw logits, before bias,
 * penalties, temperature and cuts, over the ids that can be drawn (token_vocab). Computed in binary64 in one order:
 * the same bits everywhere. */
typedef struct samara_logprob {
  int32_t token;
  float logprob;
} samara_logprob;

/* One drawn token. What it points to is valid until the next call for this session that is not const. */
typedef struct samara_reply_event {
  size_t struct_size;
  samara_finish finish;
  int32_t token; /* -1: none was drawn (CANCELLED) */
  /* Text that can be shown now: whole characters of UTF-8, no terminating zero. It may be empty (a character or a
   * possible stop string is not over yet) and may hold text of earlier tokens. The last event has what was held back.
   * Bytes of a character that never ended: U+FFFD at EOS, nothing where the reply was cut (LENGTH, CONTEXT,
   * CANCELLED). */
  const char* text;
  size_t n_bytes;
  int32_t stop;              /* at STOP: index of the stop string; else -1 */
  float logprob;             /* of `token`, if asked for; else 0 */
  uint32_t n_top;            /* as asked for, but at most token_vocab */
  const samara_logprob* top; /* likeliest first, ties: lower id first */
} samara_reply_event;
#define SAMARA_REPLY_EVENT_INIT samara_reply_event_init()
SAMARA_INIT_(samara_reply_event)

/* `options` may be NULL. Computes nothing. Without a tokenizer all text is empty. On an error there is no reply. */
SAMARA_API samara_status samara_reply_begin(samara_session* session,
                                            const samara_reply_options* options);
/* Computes what is pending (with progress "prefill" before the first token), draws a token, appends it to the session
 * as a pending token unless it ends the text or the context is full, and fills the event. So after the reply
 * samara_tokens holds all of it, its last token not computed yet. Allocates nothing.
 * Tokens fed between two calls are computed before the next draw and are no part of the reply. After the event whose
 * `finish` is set: FAILED_PRECONDITION, as without samara_reply_begin. On an error no token was drawn. A cancelled
 * reply is SAMARA_OK with SAMARA_FINISH_CANCELLED. */
SAMARA_API samara_status samara_reply_next(samara_session* session, samara_reply_event* event);

typedef struct samara_reply_statistics {
  size_t struct_size;
  uint64_t prompt_tokens;     /* computed between begin and the first draw */
  uint64_t reply_tokens;      /* drawn, without one that ended the text */
  double first_token_seconds; /* wall time from begin to the first event */
  double prefill_seconds;     /* inside the call that drew the first token */
  double decode_seconds;      /* inside all calls after it */
} samara_reply_statistics;
/* Of the session's reply, also after its end, until the next begin; FAILED_PRECONDITION before the first. */
SAMARA_API samara_status samara_reply_get_statistics(const samara_session* session,
                                                     samara_reply_statistics* statistics);

/* From any thread and from signal handlers: the running step and following ones end with SAMARA_CANCELLED, within 200 ms,
 * until cleared. What was computed before stays. NULL does nothing. */
SAMARA_API void samara_cancel(samara_model* model);
SAMARA_API void samara_cancel_clear(samara_model* model);

typedef struct samara_statistics {
  size_t struct_size;
  uint64_t steps, tokens; /* of this model since open */
  double step_seconds;    /* wall time inside steps */
  double load_seconds;
  uint64_t allocated; /* bytes, as samara_model_allocated */
} samara_statistics;
/* Set statistics->struct_size. Waits for a running step. */
SAMARA_API samara_status samara_model_statistics(const samara_model* model,
                                                 samara_statistics* statistics);

/* ---- Profile (of a model opened with option `profile`, else FAILED_PRECONDITION) --------------------- */

/* Totals of one operator since the model was opened or the profile reset. Bytes and operations are those that its
 * meaning demands: matrices and keys and values once a call, activations once each; two operations a product. */
typedef struct samara_profile_op {
  size_t struct_size;
  const char* name; /* in the graph: "model.layers.3.mlp.down_proj"; valid as long as the model */
  const char* kind; /* "linear" */
  const char* type; /* of its matrix: "q4_0"; "" without one */
  uint64_t calls;
  double seconds; /* wall time */
  double bytes, operations;
} samara_profile_op;
/* Operator 0 is "step", the whole of each step; NOT_FOUND past the end. Set op->struct_size. */
SAMARA_API samara_status samara_profile_op_at(const samara_model* model, uint32_t index,
                                              samara_profile_op* op);

/* One call of an operator. A step's own event follows those of its operators. */
typedef struct samara_profile_event {
  size_t struct_size;
  uint32_t op; /* of samara_profile_op_at */
  uint32_t n_tokens;
  uint64_t step;            /* counted since the reset */
  double begin, end;        /* seconds since the reset */
  double bytes, operations; /* 0 for a step */
} samara_profile_event;
/* The last events, 0 the oldest that is kept; NOT_FOUND past the end. Set event->struct_size. */
SAMARA_API samara_status samara_profile_event_at(const samara_model* model, uint64_t index,
                                                 samara_profile_event* event);
/* Zeroes totals, forgets events and begins time anew. */
SAMARA_API samara_status samara_profile_reset(samara_model* model);

/* ---- Devices and verification ---------------------------------------------------------------------- */

/* Backends: those of plug-ins that can be loaded (libsamara_cuda.so, libsamara_vulkan.so, sought in the folders of
 * SAMARA_PLUGIN_PATH and beside this library), best first, then those of this library: name and description, both for
 * good; NOT_FOUND past the end. */
SAMARA_API samara_status samara_backend_at(uint32_t index, const char** name,
                                           const char** description);

/* A device; its strings are valid during the callback. */
typedef struct samara_device {
  size_t struct_size;
  const char* backend;  /* "cuda", also where its plug-in is absent */
  const char* name;     /* "NVIDIA H200"; "": there is none */
  uint64_t memory;      /* bytes of its own; 0: it uses the host's */
  const char* unusable; /* why it cannot be used; "": it can */
  uint32_t automatic;   /* 1: "auto" may take it, the first of these */
} samara_device;
typedef void (*samara_device_fn)(void* user, const samara_device* device);
/* The devices of all backends, in the order in which "auto" tries them. Loads plug-ins and drivers; may take a second. */
SAMARA_API samara_status samara_devices(samara_device_fn each, void* user);

/* Opens the package and replays its goldens. On a mismatch returns FAILED_PRECONDITION and samara_last_error() names the
 * first operator that is off. `each`, which may be NULL, gets one line per golden, valid during the call. Of the
 * options backend, isa, threads, decompose and memory_budget count. NOT_FOUND: it has none. Else as samara_model_open. */
typedef void (*samara_line_fn)(void* user, const char* line);
SAMARA_API samara_status samara_verify(const char* path, const samara_model_options* options,
                                       samara_line_fn each, void* user);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* SAMARA_H_ */
