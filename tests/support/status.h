// Checks of Status in tests.
#ifndef SAMARA_TESTS_SUPPORT_STATUS_H_
#define SAMARA_TESTS_SUPPORT_STATUS_H_

#include <doctest/doctest.h>

#include <string>

#include "formats/status.h"

#define REQUIRE_OK(expression)                                                   \
  do {                                                                           \
    const ::samara::Status samara_status_ = (expression);                        \
    REQUIRE_MESSAGE(samara_status_.ok(), std::string(samara_status_.message())); \
  } while (0)
#define CHECK_OK(expression)                                                   \
  do {                                                                         \
    const ::samara::Status samara_status_ = (expression);                      \
    CHECK_MESSAGE(samara_status_.ok(), std::string(samara_status_.message())); \
  } while (0)

#endif  // SAMARA_TESTS_SUPPORT_STATUS_H_
