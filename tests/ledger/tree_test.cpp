#include "ledger/tree.hpp"

#include <bit>
#include <random>
#include <string>
#include <vector>

#include "ledger/sha256.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

namespace {

using namespace ledger;

std::string hex(const Hash32& hash) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : hash) {
        text.push_back(kDigits[byte >> 4]);
        text.push_back(kDigits[byte & 15]);
    }
    return text;
}

std::string bytes_of(const Hash32& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

/// MTH of RFC 6962 section 2.1, word by word.
Hash32 naive_root(const std::vector<std::string>& leaves, std::size_t begin, std::size_t end) {
    const std::size_t n = end - begin;
    if (n == 0) return sha256("");
    if (n == 1) return sha256(std::string(1, '\0') + leaves[begin]);
    const std::size_t k = std::bit_floor(n - 1);  // the largest power of two smaller than n
    return sha256(
        "\x01" + bytes_of(naive_root(leaves, begin, begin + k)) +
        bytes_of(naive_root(leaves, begin + k, end))
    );
}

std::vector<std::string> random_leaves(std::size_t count) {
    std::mt19937_64 random(test_support::seed());
    std::vector<std::string> leaves(count);
    for (std::string& leaf : leaves) {
        leaf.resize(random() % 40);
        for (char& c : leaf)
            c = static_cast<char>(random());
    }
    return leaves;
}

/// The eight leaves that the certificate transparency project tests with.
std::vector<std::string> known_leaves() {
    using namespace std::string_literals;
    return {
        ""s,
        "\x00"s,
        "\x10"s,
        "\x20\x21"s,
        "\x30\x31"s,
        "\x40\x41\x42\x43"s,
        "\x50\x51\x52\x53\x54\x55\x56\x57"s,
        "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"s};
}

}  // namespace

TEST_CASE("sha256: known answers of FIPS 180-4", "[sha256]") {
    REQUIRE(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    REQUIRE(
        hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    REQUIRE(
        hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    );
}

TEST_CASE("sha256: a copy continues from the same point", "[sha256]") {
    Sha256 hash;
    hash.update("a");
    Sha256 copy = hash;
    REQUIRE(hash.update("bc").finish() == sha256("abc"));
    REQUIRE(copy.update("b").update("").update("d").finish() == sha256("abd"));
}

TEST_CASE("tree: roots of the certificate transparency leaves", "[tree]") {
    const std::vector<std::string> leaves = known_leaves();
    const std::vector<std::string> roots{
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    MerkleTree tree;
    REQUIRE(hex(tree.root()) == hex(sha256("")));
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        tree.append(leaves[i]);
        REQUIRE(tree.size() == i + 1);
        REQUIRE(hex(tree.root()) == roots[i]);
    }
}

TEST_CASE("tree: the root equals the naive recursion at every size", "[tree]") {
    const std::vector<std::string> leaves = random_leaves(300);
    MerkleTree tree;
    for (std::size_t size = 1; size <= leaves.size(); ++size) {
        REQUIRE(tree.append(leaves[size - 1]) == leaf_hash(leaves[size - 1]));
        REQUIRE(tree.root() == naive_root(leaves, 0, size));
    }
}

TEST_CASE("tree: complete subtrees of stored levels are reported once", "[tree]") {
    constexpr std::size_t kLeaves = 3 * 256 + 17;
    const std::vector<std::string> leaves = random_leaves(kLeaves);
    MerkleTree tree;
    std::vector<TreeNode> nodes;
    for (const std::string& leaf : leaves)
        tree.append(leaf, &nodes);
    REQUIRE(nodes.size() == 3);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        REQUIRE(nodes[i].level == 8);
        REQUIRE(nodes[i].index == i);
        REQUIRE(nodes[i].hash == naive_root(leaves, i * 256, (i + 1) * 256));
    }
}

TEST_CASE("tree: level 16 is reported after 65536 leaves", "[tree]") {
    MerkleTree tree;
    std::vector<TreeNode> nodes;
    const Hash32 leaf = leaf_hash("same");
    for (int i = 0; i < 65'536; ++i)
        tree.append_hash(leaf, &nodes);
    Hash32 expected = leaf;
    for (int level = 0; level < 16; ++level)
        expected = node_hash(expected, expected);
    REQUIRE(nodes.size() == 257);
    REQUIRE(nodes.back().level == 16);
    REQUIRE(nodes.back().index == 0);
    REQUIRE(nodes.back().hash == expected);
    REQUIRE(tree.root() == expected);
}

TEST_CASE("tree: a restored frontier continues with the same roots", "[tree]") {
    const std::vector<std::string> leaves = random_leaves(140);
    MerkleTree whole;
    for (std::size_t size = 0; size < leaves.size(); ++size) {
        const std::string frontier = whole.encode_frontier();
        REQUIRE(frontier.size() == 9 + 32 * static_cast<std::size_t>(std::popcount(size)));
        Result<MerkleTree> restored = MerkleTree::decode_frontier(frontier);
        REQUIRE(restored);
        REQUIRE(restored->size() == size);
        REQUIRE(restored->root() == whole.root());
        restored->append(leaves[size]);
        whole.append(leaves[size]);
        REQUIRE(restored->root() == whole.root());
    }
}

TEST_CASE("tree: a malformed frontier is corrupt and a newer one newer_format", "[tree]") {
    MerkleTree tree;
    for (int i = 0; i < 5; ++i)
        tree.append("x");
    const std::string frontier = tree.encode_frontier();
    const auto error_of = [](const std::string& bytes) {
        const Result<MerkleTree> decoded = MerkleTree::decode_frontier(bytes);
        return decoded ? ErrorCode::ok : decoded.error().code;
    };
    REQUIRE(error_of(frontier) == ErrorCode::ok);
    REQUIRE(error_of("") == ErrorCode::corrupt);
    REQUIRE(error_of(frontier.substr(0, 8)) == ErrorCode::corrupt);
    REQUIRE(error_of(frontier.substr(0, frontier.size() - 1)) == ErrorCode::corrupt);
    REQUIRE(error_of(frontier + "x") == ErrorCode::corrupt);
    std::string other_size = frontier;
    other_size[8] = 7;
    REQUIRE(error_of(other_size) == ErrorCode::corrupt);
    std::string other_version = frontier;
    other_version[0] = 0;
    REQUIRE(error_of(other_version) == ErrorCode::corrupt);
    other_version[0] = 2;
    REQUIRE(error_of(other_version) == ErrorCode::newer_format);
    other_version[0] = '\xff';
    REQUIRE(error_of(other_version) == ErrorCode::newer_format);
}

TEST_CASE("tree: rows sort by program level and index", "[tree]") {
    MerkleTree tree;
    tree.append("x");
    const ViewRecord node = tree_row(ProgramId{2}, {.level = 8, .index = 258, .hash = {}});
    REQUIRE(node.family == ViewFamily::tree);
    REQUIRE(node.key == std::string("\0\0\0\2\x08\0\0\0\0\0\0\1\2", 13));
    REQUIRE(node.value == "\1" + std::string(32, '\0'));
    const ViewRecord frontier = frontier_row(ProgramId{2}, tree);
    REQUIRE(frontier.key == tree_row_key(ProgramId{2}, kFrontierLevel, 0));
    REQUIRE(frontier.value == tree.encode_frontier());
    REQUIRE(node.key < frontier.key);
}
