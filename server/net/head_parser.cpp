#include "server/net/head_parser.hpp"

#include <charconv>

#include <boost/beast/http/error.hpp>

namespace server::net {

namespace {

std::string_view std_view(boost::beast::string_view text) {
    return {text.data(), text.size()};
}

Method to_method(boost::beast::http::verb method) {
    using boost::beast::http::verb;
    switch (method) {
        case verb::get: return Method::get;
        case verb::head: return Method::head;
        case verb::post: return Method::post;
        case verb::put: return Method::put;
        case verb::delete_: return Method::delete_;
        case verb::options: return Method::options;
        case verb::patch: return Method::patch;
        default: return Method::other;
    }
}

/// "http://host/path" (as sent to proxies) without its first two parts.
std::string_view without_authority(std::string_view target) {
    for (std::string_view scheme : {"http://", "https://"}) {
        if (equals_ignoring_case(target.substr(0, scheme.size()), scheme)) {
            const std::size_t path = target.find_first_of("/?", scheme.size());
            return path == std::string_view::npos ? "/" : target.substr(path);
        }
    }
    return target;
}

}  // namespace

void HeadStore::clear() {
    text_.clear();
    stored_.clear();
    fields_.clear();
}

HeadStore::Span HeadStore::store(std::string_view text) {
    const Span span{
        static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(text.size())};
    text_.append(text);
    return span;
}

void HeadStore::set_request_line(Method method, std::string_view target) {
    method_ = method;
    target_ = store(target);
}

void HeadStore::add_field(std::string_view name, std::string_view value) {
    stored_.push_back({store(name), store(value)});
}

bool HeadStore::publish_target(RequestHead& head) const {
    head.method = method_;
    head.target = without_authority(view(target_));
    const std::size_t mark = head.target.find('?');
    head.path = head.target.substr(0, mark);
    head.query = mark == std::string_view::npos ? std::string_view{} : head.target.substr(mark + 1);
    if (!head.path.empty() && head.path.front() == '/') return true;
    return head.path == "*" && head.method == Method::options;
}

bool HeadStore::publish_fields(RequestHead& head, bool http_1_1) {
    unsigned hosts = 0;
    for (const Field& field : stored_) {
        const HeaderField out{view(field.name), view(field.value)};
        if (equals_ignoring_case(out.name, "host")) ++hosts;
        if (equals_ignoring_case(out.name, "transfer-encoding")) {
            // Anything but plain "chunked" leaves the length of the body to interpretation, and
            // with it where the next request starts.
            if (!http_1_1 || !equals_ignoring_case(out.value, "chunked")) return false;
            head.chunked = true;
        }
        if (equals_ignoring_case(out.name, "content-length")) {
            std::uint64_t length = 0;
            const char* end = out.value.data() + out.value.size();
            const auto [stop, failure] = std::from_chars(out.value.data(), end, length);
            if (failure != std::errc{} || stop != end) return false;
            head.content_length = length;
        }
        fields_.push_back(out);
    }
    head.fields = fields_;
    return hosts == 1 || (hosts == 0 && !http_1_1);
}

bool HeadStore::publish(RequestHead& head, bool http_1_1) {
    head = RequestHead{};
    return publish_target(head) && publish_fields(head, http_1_1);
}

void HeadParser::on_request_impl(verb method, text, text target, int version, error_code&) {
    version_ = version;
    store_.set_request_line(to_method(method), std_view(target));
}

void HeadParser::on_field_impl(field, text name, text value, error_code&) {
    // Fields behind a chunked body (trailers) would come too late to mean anything.
    if (!head_done_) store_.add_field(std_view(name), std_view(value));
}

void HeadParser::on_chunk_header_impl(std::uint64_t size, text, error_code& failure) {
    if (!sink_.on_body_announced(size)) failure = boost::beast::http::error::body_limit;
}

std::size_t HeadParser::on_chunk_body_impl(std::uint64_t, text part, error_code&) {
    sink_.on_body_part(std_view(part));
    return part.size();
}

}  // namespace server::net
