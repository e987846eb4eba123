#pragma once

#include <CLI/App.hpp>

// One function a command: declares its options on the program and what it does when it is chosen.
// The exit code of the chosen command goes to `code` (docs/commands.md).

namespace saffron::cli {

void add_recipe_commands(CLI::App& app, int& code,
                         const std::string& command_line);  // check plan run resolve
void add_plugin_commands(CLI::App& app, int& code);         // plugins inspect schema reference
void add_result_commands(CLI::App& app, int& code);         // report export clean
void add_author_commands(CLI::App& app, int& code);         // new-plugin
void add_test_commands(CLI::App& app, int& code);           // test-plugin

}  // namespace saffron::cli
