# How each library is found. Debian's packages are the default; nothing is vendored.
#   FlatBuffers  >= 2.0.8  libflatbuffers-dev, flatbuffers-compiler   headers only at run time
#   CLI11        >= 2.1    libcli11-dev                                programs only
#   doctest      >= 2.4.9  doctest-dev                                 tests only
find_program(SAMARA_FLATC flatc REQUIRED)
find_path(FLATBUFFERS_INCLUDE_DIR flatbuffers/flatbuffers.h REQUIRED)
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
if(SAMARA_TESTS)
  find_path(DOCTEST_INCLUDE_DIR doctest/doctest.h REQUIRED)
endif()
