#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/beast/http/basic_parser.hpp>

#include "server/net/asio.hpp"
#include "server/net/http.hpp"

namespace server::net {

/// The text of one request head, copied out of the read buffer into memory that is reused from
/// request to request, so that a head costs no allocation.
class HeadStore {
public:
    void clear();
    void set_request_line(Method method, std::string_view target);
    void add_field(std::string_view name, std::string_view value);
    /// Points `head`'s views into this store; valid until `clear`. False if the target or the
    /// fields are not acceptable (see docs/api.md, malformed_http).
    [[nodiscard]] bool publish(RequestHead& head, bool http_1_1);

private:
    struct Span {
        std::uint32_t begin = 0;
        std::uint32_t size = 0;
    };
    struct Field {
        Span name;
        Span value;
    };
    Span store(std::string_view text);
    [[nodiscard]] std::string_view view(Span span) const {
        return std::string_view(text_).substr(span.begin, span.size);
    }
    [[nodiscard]] bool publish_target(RequestHead& head) const;
    [[nodiscard]] bool publish_fields(RequestHead& head, bool http_1_1);

    std::string text_;
    Method method_ = Method::other;
    Span target_;
    std::vector<Field> stored_;
    std::vector<HeaderField> fields_;
};

/// Beast's request parser, storing into a HeadStore. Made anew for every request. The pieces of a
/// chunked body are passed to `on_body`; a body with Content-Length is not given to it at all.
class HeadParser final : public boost::beast::http::basic_parser<true> {
public:
    class BodySink {
    public:
        virtual ~BodySink() = default;
        /// False: more than is allowed.
        virtual bool on_body_announced(std::uint64_t bytes) = 0;
        virtual void on_body_part(std::string_view part) = 0;
    };

    HeadParser(HeadStore& store, BodySink& sink) : store_(store), sink_(sink) {
        body_limit(boost::none);
        eager(false);
    }
    [[nodiscard]] bool http_1_1() const { return version_ >= 11; }

private:
    using field = boost::beast::http::field;
    using verb = boost::beast::http::verb;
    using text = boost::beast::string_view;

    void on_request_impl(verb method, text, text target, int version, error_code&) override;
    void on_response_impl(int, text, int, error_code&) override {}
    void on_field_impl(field, text name, text value, error_code&) override;
    void on_header_impl(error_code&) override { head_done_ = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(text part, error_code&) override { return part.size(); }
    void on_chunk_header_impl(std::uint64_t size, text, error_code& failure) override;
    std::size_t on_chunk_body_impl(std::uint64_t, text part, error_code&) override;
    void on_finish_impl(error_code&) override {}

    HeadStore& store_;
    BodySink& sink_;
    int version_ = 11;
    bool head_done_ = false;
};

}  // namespace server::net
