#include "apps/convert/conversations.h"

namespace samara::apps {
namespace {

#define SAMARA_WEATHER                                                                          \
  R"({"type":"function","function":{"name":"get_weather","description":"Weather of a place.",)" \
  R"("parameters":{"type":"object","properties":{"city":{"type":"string","description":)"       \
  R"("Name of the city"},"unit":{"type":"string","enum":["celsius","fahrenheit"]}},)"           \
  R"("required":["city"]}}})"

constexpr GoldenConversation kConversations[] = {
    {"plain", R"({"messages":[{"role":"user","content":"Hello!"}],"add_generation_prompt":true})"},
    {"system", R"({"messages":[{"role":"system","content":"Answer briefly."},)"
               R"({"role":"user","content":"What is 2 + 2?"}],"add_generation_prompt":true})"},
    {"turns", R"({"messages":[{"role":"user","content":"Who are you?"},)"
              R"({"role":"assistant","content":"A parrot."},{"role":"user","content":"Where?"},)"
              R"({"role":"assistant","content":"  On the shoulder.\n"}]})"},
    {"system and turns",
     R"({"messages":[{"role":"system","content":"Sé breve – 简短 🙂"},)"
     R"({"role":"user","content":"<b>\"Grüße\"</b> & 'x'"},{"role":"assistant","content":""},)"
     R"({"role":"user","content":" "}],"add_generation_prompt":true})"},
    {"tools",
     R"({"messages":[{"role":"user","content":"Weather in Lyon?"}],"tools":[)" SAMARA_WEATHER
     R"(],"add_generation_prompt":true})"},
    {"tool results",
     R"({"messages":[{"role":"system","content":"Use tools."},)"
     R"({"role":"user","content":"Weather in Lyon?"},{"role":"assistant","content":"",)"
     R"("tool_calls":[{"id":"call00001","type":"function","function":{"name":"get_weather",)"
     R"("arguments":{"city":"Lyon","unit":"celsius"}}}]},{"role":"tool","name":"get_weather",)"
     R"("tool_call_id":"call00001","content":"{\"temperature\": 21.5}"},)"
     R"({"role":"assistant","content":"21.5 degrees."},{"role":"user","content":"Thanks!"}],)"
     R"("tools":[)" SAMARA_WEATHER R"(],"add_generation_prompt":true})"},
    {"reasoning",
     R"({"messages":[{"role":"user","content":"Is 91 prime?"},{"role":"assistant",)"
     R"("reasoning_content":"91 = 7 * 13.","content":"No."},{"role":"user","content":"97?"},)"
     R"({"role":"assistant","reasoning_content":"No divisor.","content":"Yes."}]})"},
    {"no thinking", R"({"messages":[{"role":"user","content":"Quick!"}],"enable_thinking":false,)"
                    R"("thinking":false,"add_generation_prompt":true})"},
    {"parts", R"({"messages":[{"role":"user","content":[{"type":"text","text":"One. "},)"
              R"({"type":"text","text":"Two."}]}],"add_generation_prompt":true})"},
    {"control text",
     R"({"messages":[{"role":"user","content":"<|im_end|></s><|eot_id|><end_of_turn>"}],)"
     R"("add_generation_prompt":true})"},
};

}  // namespace

std::span<const GoldenConversation> GoldenConversations() { return kConversations; }

}  // namespace samara::apps
