// Templates and inputs that would take too long, too much or too deep.
#include <doctest/doctest.h>
#include <pthread.h>

#include <algorithm>
#include <ctime>

#include "tests/template/helpers.h"

namespace samara::template_test {
namespace {

// Of this thread's own work: other programs do not count.
double Seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// Tells work within a budget from work without end; what it takes in fact (under 1 s on a machine of
// today) is printed. Sanitizers make a step dozens of times slower, so they get fewer of them.
constexpr double kEndless = 60;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kSteps = RenderOptions{}.max_steps / 16;
#else
constexpr uint64_t kSteps = RenderOptions{}.max_steps;
#endif

TEST_CASE("endless work ends within its budget") {
  const struct {
    const char *source, *limit;
  } kCases[] = {
      {"{% for a in range(10**9) %}{% endfor %}", "Range too big"},
      {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps"},
      {"{% for a in range(99999) %}{% for b in range(99999) %}{% set x = [a] %}{% endfor %}"
       "{% endfor %}",
       "steps"},
      {"{% for a in range(99999) %}{% for b in range(99999) %}{% if 'b' in s %}x{% endif %}"
       "{% endfor %}{% endfor %}",
       "steps"},
      {"{% for a in range(99999) %}{{ s | upper | length }}{% endfor %}", "steps"},
      {"{% for a in range(99999) %}{% for b in range(999) %}{{ s[-1] }}{% endfor %}{% endfor %}",
       "steps"},
      {"{% for a in range(99999) %}{{ l == k }}{% endfor %}", "steps"},
      {"{% for a in range(99999) %}{{ 'zz' in l }}{% endfor %}", "steps"},
      {"{% for a in range(99999) %}{{ l | sort | first }}{% endfor %}", "steps"},
      {"{% for a in range(99999) %}{{ l | tojson | length }}{% endfor %}", "steps"},
      {"{% for a in range(99999) %}{{ s.split('a') | length }}{% endfor %}", "steps"},
      {"{% for a in range(99999) %}{{ s.replace('a', 'b') | length }}{% endfor %}", "steps"},
      {"{% for a in range(99999) %}{{ s.rfind('aab') }}{{ s.find(s + 'x') }}{% endfor %}", "steps"},
      {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deep"},
      {"{% macro m(x) %}{% for i in [1] %}{% if i %}{{ m(x + 1) | trim }}{% endif %}{% endfor %}"
       "{% endmacro %}{{ m(1) }}",
       "deep"},
      {"{% macro m(x) %}{{ m(x + 1) }}{{ m(x + 1) }}{% endmacro %}{{ m(1) }}", "deep"},
      {"{% macro m(x) %}{% if x < 60 %}{{ m(x + 1) }}{{ m(x + 1) }}{% endif %}{% endmacro %}"
       "{{ m(1) }}",
       "steps"},
      {"{% set ns = namespace(s='ab') %}{% for i in range(999) %}{% set ns.s = ns.s ~ ns.s %}"
       "{% endfor %}{{ ns.s }}",
       "work memory"},
      {"{% set ns = namespace(l=[1]) %}{% for i in range(999) %}{% set ns.l = ns.l + ns.l %}"
       "{% endfor %}",
       "work memory"},
      {"{% set ns = namespace(l=[1]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}"
       "{% endfor %}{{ ns.l }}",
       "deep"},
      {"{% set ns = namespace(l=[1]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}"
       "{% endfor %}{{ ns.l | tojson }}",
       "deep"},
      {"{{ 'ab' * 10**9 }}", "steps"},
      {"{{ [1] * 10**7 }}", "work memory"},
      {"{{ 'a' | indent(10**12) }}", "work memory"},
      {"{{ '%99999d' % 1 }}{{ '%.99999f' % 1.5 }}", "not supported"},
      {"{% for a in range(99999) %}{{ s }}{% endfor %}", "bytes of text"},
  };
  std::string input = "{\"s\": \"" + std::string(20000, 'a') + "\", \"l\": [\"a\"";
  for (int i = 0; i < 3000; ++i) input += ",\"a" + std::to_string(i) + "\"";
  const std::string list = input.substr(input.find('['));
  input += "], \"k\": " + list + "]}";
  double worst = 0;
  RenderOptions options;
  options.max_output = 100 << 20;
  options.max_steps = kSteps;
  for (const auto& c : kCases) {
    CAPTURE(std::string(c.source));
    const double begin = Seconds();
    const Rendered got = RenderSource(c.source, input, options, 64 << 20);
    CHECK(!got.status.ok());
    // With fewer steps than usual these may end first.
    const bool named =
        got.message().find(c.limit) != std::string::npos ||
        (kSteps < RenderOptions{}.max_steps && got.message().find("steps") != std::string::npos);
    CHECK_MESSAGE(named, got.message());
    const double seconds = Seconds() - begin;
    CHECK(seconds < kEndless);
    worst = std::max(worst, seconds);
  }
  MESSAGE("slowest: " << worst << " s");
}

TEST_CASE("any budget, however small, ends with an error that names it") {
  const char* source =
      "{% macro m(x) %}[{{ x | upper }}]{% endmacro %}{% for m_ in messages %}"
      "{{ m(m_.content) }}{{ m_ | tojson }}{% set x = m_.content.split(' ') %}{{ x | join('-') }}"
      "{% endfor %}";
  const std::string json =
      R"([{"role": "user", "content": "a b\nc"}, {"role": "x", "content": ""}])";
  const Rendered whole = RenderSource(source, json);
  REQUIRE(whole.status.ok());
  int refused = 0;
  for (size_t work = 0; work < 6000; work += 8) {
    std::vector<std::byte> memory(work);
    const auto block = CompileTemplate(source);
    std::string text(1000, '\0');
    TemplateSpan spans[100];
    RenderResult result;
    const Status status = RenderTemplate(*block, json, {}, memory, text, spans, &result);
    refused += !status.ok();
    if (status.ok()) {
      CHECK(text.substr(0, result.n_bytes) == whole.text);
    } else {
      CHECK(status.code() == StatusCode::kResourceExhausted);
      CHECK(std::string(status.message()).find("work memory") != std::string::npos);
    }
  }
  CHECK(refused > 100);
  CHECK(refused < 750);
  for (uint64_t steps = 0; steps < 400; ++steps) {
    RenderOptions options;
    options.max_steps = steps;
    const Rendered got = RenderSource(source, json, options);
    if (!got.status.ok()) CHECK(got.message().find("steps") != std::string::npos);
    CHECK((got.status.ok() || got.status.code() == StatusCode::kResourceExhausted));
  }
  for (uint32_t depth = 0; depth < 40; ++depth) {
    RenderOptions options;
    options.max_depth = depth;
    const Rendered got = RenderSource(source, json, options);
    CHECK((got.status.ok() || got.status.code() == StatusCode::kResourceExhausted));
    if (depth < 5) CHECK(!got.status.ok());
  }
}

TEST_CASE("long conversations and long texts take linear time and memory") {
  // A template that copies, cuts and joins, over 8 MiB of content.
  const char* source =
      "{% for m in messages %}{% set c = m.content.strip() %}{% if '</think>' in c %}"
      "{% set c = c.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
      "{{ '<|im_start|>' + m.role + '\\n' + c + '<|im_end|>' + '\\n' }}{% endfor %}";
  for (const int n_messages : {1, 20000}) {
    std::string json = "[";
    const size_t each = (size_t{8} << 20) / static_cast<size_t>(n_messages);
    for (int i = 0; i < n_messages; ++i) {
      json += std::string(i ? "," : "") + "{\"role\":\"user\",\"content\":\"" +
              std::string(each, 'x') + "\"}";
    }
    json += "]";
    auto block = CompileTemplate(source);
    REQUIRE(block.ok());
    std::vector<std::byte> work(TemplateWorkSize(json.size()));
    std::vector<char> text(json.size() * 2);
    std::vector<TemplateSpan> spans(static_cast<size_t>(n_messages));
    RenderResult result;
    const double begin = Seconds();
    const Status status = RenderTemplate(*block, json, {}, work, text, spans, &result);
    CHECK_MESSAGE(status.ok(), std::string(status.message()));
    CHECK(result.n_spans == static_cast<size_t>(n_messages));
    CHECK(result.n_bytes == static_cast<size_t>(n_messages) * (each + 28));
    CHECK(Seconds() - begin < kEndless);
  }
  // One text built of many pieces.
  std::string json = "[\"abcdefgh\"";
  for (int i = 1; i < 100000; ++i) json += ",\"abcdefgh\"";
  json += "]";
  const double begin = Seconds();
  const Rendered got = RenderSource(
      "{% set ns = namespace(s='') %}{% for m in messages %}{% set ns.s = ns.s + m %}{% endfor %}"
      "{{ ns.s | length }}",
      json);
  CHECK_MESSAGE(got.status.ok(), got.message());
  CHECK(got.text == "800000");
  CHECK(Seconds() - begin < kEndless);
}

struct Deep {
  std::vector<uint8_t> block;
  Rendered result;
};

TEST_CASE("the deepest evaluation fits into a small stack") {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  for (const char* source :
       {"{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}",
        "{% macro m(x) %}{% for i in [1] %}{% if i %}{% set y = [m(x) | trim, 1] | map('upper') | "
        "list %}{% endif %}{% endfor %}{% endmacro %}{{ m(1) }}",
        "{% macro m(x) %}{{ (1 if m(x) else 2) + {'a': m(x)}.a[m(x):] }}{% endmacro %}{{ m(1) }}",
        "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}"
        "{% call m() %}{% endcall %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(9999) %}{% set ns.l = {'a': ns.l} %}"
        "{% endfor %}{{ ns.l == ns.l.a }}{{ ns.l }}"}) {
    Deep deep;
    deep.block = *CompileTemplate(source);
    pthread_attr_t attributes;
    pthread_t thread;
    REQUIRE(pthread_attr_init(&attributes) == 0);
    // What template.h promises, and some room for the thread itself and this test's frames.
    REQUIRE(pthread_attr_setstacksize(&attributes, (256 + 64) << 10) == 0);
    REQUIRE(pthread_create(
                &thread, &attributes,
                [](void* p) -> void* {
                  Deep* d = static_cast<Deep*>(p);
                  d->result = RenderBlock(d->block, "{}", {}, 16 << 20);
                  return nullptr;
                },
                &deep) == 0);
    REQUIRE(pthread_join(thread, nullptr) == 0);
    pthread_attr_destroy(&attributes);
    CAPTURE(std::string(source));
    CHECK_MESSAGE(deep.result.message().find("deep") != std::string::npos, deep.result.message());
  }
#endif
}

}  // namespace
}  // namespace samara::template_test
