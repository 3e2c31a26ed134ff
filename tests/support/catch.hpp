#pragma once

// Debian 12 ships Catch2 2.13 (one header); later releases ship version 3. Tests include this file
// only.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
