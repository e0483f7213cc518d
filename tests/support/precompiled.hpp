// SPDX-License-Identifier: LGPL-2.1-or-later
// Headers that most tests include and a compiler reads for seconds. Every file still includes what it uses: other compilers do without this one.
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
