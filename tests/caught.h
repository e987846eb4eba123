#pragma once

#include <saffron/error.h>

#include <gtest/gtest.h>

namespace saffron::test {

// The Error that `action` throws; without one the test fails.
template <class Action>
Error caught(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error("");
}

}  // namespace saffron::test
