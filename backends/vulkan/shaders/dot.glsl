// Sum of four products of signed bytes, with the instruction or without.
#ifdef INT_DOT
#extension GL_EXT_spirv_intrinsics : require
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6019, 6018], id = 4450)
int SDot(int a, int b, spirv_literal int packed);
int Dot4(uint a, uint b) { return SDot(int(a), int(b), 0); }
#else
int Dot4(uint a, uint b) {
  int sum = 0;
  [[unroll]] for (int i = 0; i < 32; i += 8) {
    sum += bitfieldExtract(int(a), i, 8) * bitfieldExtract(int(b), i, 8);
  }
  return sum;
}
#endif
