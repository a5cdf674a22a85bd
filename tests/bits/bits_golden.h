// Hashes of the logits of bits_test.cc's models at 1,100 positions, and with "_long" at 2,048. Printed
// by the test where they differ; they change only with the numerics contract.
#ifndef SAMARA_TESTS_BITS_BITS_GOLDEN_H_
#define SAMARA_TESTS_BITS_BITS_GOLDEN_H_

#include <cstdint>

namespace samara::test {

struct BitsGolden {
  const char* name;
  uint64_t hash;
};
inline constexpr BitsGolden kBitsGoldens[] = {
    {"odd_f32", 0xb698f6122292b720u},
    {"odd_f16", 0xd16d90387c374466u},
    {"odd_bf16", 0x664dfd18a34136c7u},
    {"odd_q8_0", 0x07df639bb04694e6u},
    {"odd_q4_0", 0x3645aa0e835f0832u},
    {"odd_q4_1", 0x1ba7f2e8dd3ee493u},
    {"odd_q5_0", 0xe973eba625740b3au},
    {"odd_q5_1", 0x0bb34353a60c63f0u},
    {"odd_q2_k", 0x939e36c9ea178b7au},
    {"odd_q3_k", 0x4e736d28a770b156u},
    {"odd_q4_k", 0x61ca369ae9b229c5u},
    {"odd_q5_k", 0x07d0f6536051b763u},
    {"odd_q6_k", 0x74502ba39298fba5u},
    {"odd_iq4_nl", 0x89111bd741364dc0u},
    {"odd_iq4_xs", 0x00294f94bf423823u},
    {"odd_mxfp4", 0xb58b68bc7f2bbe50u},
    {"wide_f32", 0x33d5c4e8a0bdec87u},
    {"wide_f16", 0x975e4444e0bf6b41u},
    {"wide_bf16", 0x504eabff6bba1534u},
    {"wide_q8_0", 0x0d92ee894db8cc10u},
    {"wide_q4_0", 0x7725e40683c81d9cu},
    {"wide_q4_1", 0x40fb2e1d29aa91b6u},
    {"wide_q5_0", 0x926ff86b31997aa0u},
    {"wide_q5_1", 0xfbd1c69b0303c813u},
    {"ring_f32", 0xbe2c84b64e0013e5u},
    {"ring_f16", 0xe1c9ea5360d82ca6u},
    {"ring_bf16", 0x80dcdd5ebd359aa8u},
    {"ring_q8_0", 0x481f7d617b601448u},
    {"ring_q4_0", 0x6350f89bb3305854u},
    {"ring_q4_1", 0x24606e8f9a1ccf60u},
    {"ring_q5_0", 0x938ee33a1f49a225u},
    {"ring_q5_1", 0xc4c3bba9aacb0d7fu},
    {"odd_q4_0_kv_q8_0", 0x29bf51d6725c2d38u},
    {"wide_q4_0_kv_q8_0", 0x6c33cbdf815202e6u},
    {"ring_q4_0_kv_q8_0", 0xb5e66ec3aff509e1u},
    {"odd_q4_0_long", 0x8a9e547f69f5400au},
    {"odd_q4_0_kv_q8_0_long", 0xb223f11cd83e3f5fu},
    {"odd_q4_0_kv_f32", 0xc91449160d23eb49u},
    {"odd_q4_0_kv_f32_long", 0x74de6909e45ebb92u},
    {"wide_q4_0_long", 0xeae1e5650dbe3df2u},
    {"wide_q4_0_kv_q8_0_long", 0xd639605f3df3bf3du},
    {"wide_q4_0_kv_f32", 0xd9bc7e6ac2fdaa35u},
    {"wide_q4_0_kv_f32_long", 0x2bf6268b4d483228u},
    {"ring_q4_0_long", 0x2888eb5f44e93d17u},
    {"ring_q4_0_kv_q8_0_long", 0x33af114d08f25e83u},
    {"ring_q4_0_kv_f32", 0x49b8c61826dbdb1fu},
    {"ring_q4_0_kv_f32_long", 0xc8966687b8606fecu},
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_BITS_BITS_GOLDEN_H_
