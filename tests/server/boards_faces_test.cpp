#include <map>

#include "server/boards/faces.hpp"
#include "tests/support/catch.hpp"

using ledger::MemberId;
using ledger::Seq;
using server::boards::Faces;
using server::boards::shown_name;

TEST_CASE("faces: who did not agree appears as an initial", "[boards]") {
    CHECK(shown_name("Ana Kova\u010d", "") == "A.");
    CHECK(shown_name("Ana Kova\u010d", "-") == "A.");
    CHECK(shown_name("Ana Kova\u010d", "-The Queen") == "A.");
    CHECK(shown_name("\u00c9lise", "") == "\u00c9.");
    CHECK(shown_name("", "").empty());
    CHECK(shown_name("   ", "-").empty());
}

TEST_CASE("faces: who agreed appears by alias or by first name and initial", "[boards]") {
    CHECK(shown_name("Ana Kova\u010d", "+") == "Ana K.");
    CHECK(shown_name("Ana Maria de la Cruz", "+") == "Ana C.");
    CHECK(shown_name("Bo", "+") == "Bo");
    CHECK(shown_name("Ana Kova\u010d", "+ The Queen ") == "The Queen");
    CHECK(shown_name("", "+").empty());
}

TEST_CASE("faces: a name cannot reorder or hide what stands beside it", "[boards]") {
    CHECK(shown_name("", "+a\u202eb\u200fc\u2066d\x07 e") == "abcd e");
    CHECK(shown_name("", "+\u202e\u202e").empty());
    CHECK(shown_name("", "+\u061cQ\u200bu\u2028een\u0085\ufeff") == "Queen");
    // Other marks of three bytes stay.
    CHECK(shown_name("", "+a\u2019b\u20ac") == "a\u2019b\u20ac");
}

TEST_CASE("faces: later entries change what earlier ones said", "[boards]") {
    std::map<std::uint64_t, Faces::Opened> entries{
        {1, {"Ana Kova\u010d", ""}}, {5, {"", "+"}}, {9, {"", "+Queen"}}};
    int opened = 0;
    Faces faces([&](Seq seq) -> std::optional<Faces::Opened> {
        ++opened;
        const auto entry = entries.find(seq.value);
        if (entry == entries.end()) return std::nullopt;
        return entry->second;
    });
    const MemberId ana{7};
    CHECK_FALSE(faces.note(ana, Seq{1}));
    CHECK(faces.face_of(ana).name == "A.");
    CHECK(faces.face_of(ana).name == "A.");
    CHECK(opened == 1);
    CHECK(faces.note(ana, Seq{5}));
    CHECK(faces.face_of(ana).name == "Ana K.");
    CHECK(faces.note(ana, Seq{9}));
    CHECK(faces.face_of(ana).name == "Queen");
    CHECK(faces.face_of(ana).shown);
    // Erased: nothing can be opened any more.
    entries.clear();
    CHECK(faces.note(ana, Seq{11}));
    CHECK(faces.face_of(ana).name.empty());
    CHECK(faces.face_of(MemberId{1'000}).name.empty());
}
