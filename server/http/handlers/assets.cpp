#include "server/http/handlers/assets.hpp"

#include <algorithm>
#include <charconv>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "embed/widget_files.hpp"
#include "embed/widget_table.hpp"
#include "ledger/sha256.hpp"
#include "server/http/error_response.hpp"

namespace server::http {

namespace {

constexpr std::string_view kManifest = "manifest.json";
constexpr std::string_view kForever = "public, max-age=31536000, immutable";

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Takes what stands before the first `mark` off `rest`, without the blanks around it.
std::string_view take_until(std::string_view& rest, char mark) {
    const std::size_t end = rest.find(mark);
    const std::string_view part = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    return trimmed(part);
}

/// The weight of "br;q=0.5" in thousandths; 1000 without one, 0 if it is not a number of RFC 9110.
int weight_of(std::string_view parameters) {
    while (!parameters.empty()) {
        std::string_view parameter = take_until(parameters, ';');
        const std::string_view name = take_until(parameter, '=');
        if (!net::equals_ignoring_case(name, "q")) continue;
        double value = 0;
        const char* end = parameter.data() + parameter.size();
        const auto read = std::from_chars(parameter.data(), end, value, std::chars_format::fixed);
        if (read.ec != std::errc() || read.ptr != end || !(value >= 0 && value <= 1)) return 0;
        return static_cast<int>(value * 1000);
    }
    return 1000;
}

struct Form {
    std::string tag;
    std::shared_ptr<const std::string> content;
};

/// One file in every form in which it is sent.
struct Asset {
    std::string_view path;
    std::string_view type;
    std::string_view cache_control;
    Form plain;
    Form brotli;
    Form gzip;
};

std::shared_ptr<const std::string> content_of(std::string_view name) {
    return std::make_shared<const std::string>(embed::widget_files_file(name));
}

/// `"abc"` and "br" give `"abc-br"`: each form is a representation of its own.
std::string tag_with(std::string_view tag, std::string_view suffix) {
    std::string out(tag.substr(0, tag.size() - 1));
    return out.append("-").append(suffix).append("\"");
}

std::vector<Asset> read_files() {
    std::vector<Asset> assets;
    assets.reserve(embed::kWidgetTable.size());
    for (const embed::WidgetFile& file : embed::kWidgetTable) {
        assets.push_back(
            {file.path,
             file.type,
             kForever,
             {std::string(file.etag), content_of(file.plain)},
             {tag_with(file.etag, "br"), content_of(file.brotli)},
             {tag_with(file.etag, "gz"), content_of(file.gzip)}}
        );
    }
    return assets;
}

Asset read_manifest() {
    auto content = content_of(kManifest);
    const ledger::Hash32 hash = ledger::sha256(*content);
    std::string tag = "\"";
    for (const std::uint8_t byte : std::span(hash).first(12)) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        tag += kDigits[byte >> 4U];
        tag += kDigits[byte & 15U];
    }
    // Small, and asked for by servers: not worth a compressed form.
    return {"", "application/json", "no-cache", {tag + "\"", std::move(content)}, {}, {}};
}

const Form& form_of(const Asset& asset, Encoding encoding) {
    switch (encoding) {
        case Encoding::br: return asset.brotli;
        case Encoding::gzip: return asset.gzip;
        case Encoding::identity: break;
    }
    return asset.plain;
}

std::string_view name(Encoding encoding) {
    return encoding == Encoding::br ? "br" : "gzip";
}

net::Response answer(const net::RequestHead& head, const Asset& asset) {
    net::Response response;
    const bool has_forms = asset.brotli.content != nullptr;
    const Encoding encoding =
        has_forms ? preferred_encoding(head.header("Accept-Encoding")) : Encoding::identity;
    const Form& form = form_of(asset, encoding);
    response.add_header("ETag", form.tag);
    response.add_header("Cache-Control", asset.cache_control);
    if (has_forms) response.add_header("Vary", "Accept-Encoding");
    // Without credentials and the same for everybody, so every page may have it.
    response.add_header("Access-Control-Allow-Origin", "*");
    response.add_header("Cross-Origin-Resource-Policy", "cross-origin");
    response.add_header("X-Content-Type-Options", "nosniff");
    if (names_tag(head.header("If-None-Match"), form.tag)) {
        response.status = 304;
        response.content_type = {};
        return response;
    }
    response.content_type = asset.type;
    if (encoding != Encoding::identity) response.add_header("Content-Encoding", name(encoding));
    response.shared_body = form.content;
    return response;
}

net::Response nothing_here() {
    return error_response(
        ledger::make_error(ledger::ErrorCode::not_found, "There is no such file of the widget.")
    );
}

}  // namespace

Encoding preferred_encoding(std::string_view accept_encoding) {
    int brotli = -1;
    int gzip = -1;
    int identity = -1;
    int others = -1;
    while (!accept_encoding.empty()) {
        std::string_view item = take_until(accept_encoding, ',');
        const std::string_view coding = take_until(item, ';');
        const int weight = weight_of(item);
        if (net::equals_ignoring_case(coding, "br")) brotli = weight;
        if (net::equals_ignoring_case(coding, "gzip")) gzip = weight;
        if (net::equals_ignoring_case(coding, "x-gzip")) gzip = weight;
        if (net::equals_ignoring_case(coding, "identity")) identity = weight;
        if (coding == "*") others = weight;
    }
    if (brotli < 0) brotli = std::max(others, 0);
    if (gzip < 0) gzip = std::max(others, 0);
    const int best = std::max(brotli, gzip);
    if (best == 0 || best < identity) return Encoding::identity;
    return brotli >= gzip ? Encoding::br : Encoding::gzip;
}

bool names_tag(std::string_view if_none_match, std::string_view tag) {
    while (!if_none_match.empty()) {
        std::string_view item = take_until(if_none_match, ',');
        if (item == "*") return true;
        if (item.starts_with("W/")) item.remove_prefix(2);
        if (item == tag) return true;
    }
    return false;
}

net::Response widget_manifest(const net::RequestHead& head) {
    static const Asset kAsset = read_manifest();
    return kAsset.plain.content->empty() ? nothing_here() : answer(head, kAsset);
}

net::Response widget_file(
    const net::RequestHead& head, std::string_view version, std::string_view name
) {
    static const std::vector<Asset> kAssets = read_files();
    const std::string path = std::string("/widget/").append(version).append("/").append(name);
    const auto asset = std::ranges::find(kAssets, path, &Asset::path);
    return asset == kAssets.end() ? nothing_here() : answer(head, *asset);
}

}  // namespace server::http
