#pragma once

// Debian 12 ships Catch2 2.13 (one header); later releases ship version 3. Tests include this file
// only.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <string>

#include "ledger/base/result.hpp"

/// REQUIRE(result) and REQUIRE_FALSE(result) print the error; the value is never printed.
template <typename Value>
struct Catch::StringMaker<ledger::Result<Value>> {
    static std::string convert(const ledger::Result<Value>& result) {
        if (result.has_value()) return "ok";
        return std::string(ledger::name(result.error().code)) + ": " + result.error().detail;
    }
};
