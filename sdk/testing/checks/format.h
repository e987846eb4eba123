#pragma once

#include "testing/driver.h"
#include "testing/drivers/toy_folder.h"

// The two files of format checks: format.cpp what is kept of an SAE, format_files.cpp what happens
// to files and folders.

namespace saffron::testing {

Verdict recognises_own_files(const Subject& subject);
Verdict recognises_no_others(const Subject& subject);
Verdict damaged_file_refused(const Subject& subject);
Verdict missing_file_refused(const Subject& subject);
Verdict write_is_atomic(const Subject& subject);
Verdict failed_write_cleans_up(const Subject& subject);
Verdict unwritable_place_refused(const Subject& subject);

}  // namespace saffron::testing
