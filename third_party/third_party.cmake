# How each library is found. Debian's packages are the default; nothing is vendored.
#   FlatBuffers  >= 2.0.8  libflatbuffers-dev, flatbuffers-compiler   headers only at run time
#   CLI11        >= 2.1    libcli11-dev                                programs only
#   libedit      >= 3.1    libedit-dev                                 samara-chat; without it lines cannot be recalled
#   doctest      >= 2.4.9  doctest-dev                                 tests only
find_program(SAMARA_FLATC flatc REQUIRED)
find_path(FLATBUFFERS_INCLUDE_DIR flatbuffers/flatbuffers.h REQUIRED)
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
# Lines in samara-chat. -DSAMARA_LIBEDIT=OFF builds without it.
option(SAMARA_LIBEDIT "Line editing by libedit, where it is found" ON)
find_path(LIBEDIT_INCLUDE_DIR histedit.h)
find_library(LIBEDIT_LIBRARY edit)
if(SAMARA_TESTS)
  find_path(DOCTEST_INCLUDE_DIR doctest/doctest.h REQUIRED)
endif()
