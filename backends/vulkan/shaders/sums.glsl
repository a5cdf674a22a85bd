// The sum or maximum over a workgroup, the same in every lane. In a fixed order, so that the same input gives the same
// bits. SUBGROUP: by subgroups first.
#ifdef SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif

shared float sums_part[gl_WorkGroupSize.x];

#ifdef SUBGROUP
float WorkgroupSum(float x) {
  const float mine = subgroupAdd(x);
  if (subgroupElect()) sums_part[gl_SubgroupID] = mine;
  barrier();
  float sum = 0.0;
  for (uint i = 0u; i < gl_NumSubgroups; ++i) sum += sums_part[i];
  barrier();
  return sum;
}
float WorkgroupMax(float x) {
  const float mine = subgroupMax(x);
  if (subgroupElect()) sums_part[gl_SubgroupID] = mine;
  barrier();
  float most = sums_part[0];
  for (uint i = 1u; i < gl_NumSubgroups; ++i) most = max(most, sums_part[i]);
  barrier();
  return most;
}
#else
float WorkgroupSum(float x) {
  const uint lane = gl_LocalInvocationID.x;
  sums_part[lane] = x;
  barrier();
  for (uint w = gl_WorkGroupSize.x / 2u; w > 0u; w /= 2u) {
    if (lane < w) sums_part[lane] += sums_part[lane + w];
    barrier();
  }
  const float sum = sums_part[0];
  barrier();
  return sum;
}
float WorkgroupMax(float x) {
  const uint lane = gl_LocalInvocationID.x;
  sums_part[lane] = x;
  barrier();
  for (uint w = gl_WorkGroupSize.x / 2u; w > 0u; w /= 2u) {
    if (lane < w) sums_part[lane] = max(sums_part[lane], sums_part[lane + w]);
    barrier();
  }
  const float most = sums_part[0];
  barrier();
  return most;
}
#endif
