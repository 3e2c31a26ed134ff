#include "rules/cel/cost.hpp"

#include <algorithm>
#include <limits>

namespace rules::cel {

namespace {

constexpr std::uint64_t kNewList = 10;
constexpr std::uint64_t kNewMap = 30;

std::uint64_t plus(std::uint64_t left, std::uint64_t right) {
    std::uint64_t sum = 0;
    return __builtin_add_overflow(left, right, &sum) ? std::numeric_limits<std::uint64_t>::max()
                                                     : sum;
}

std::uint64_t times(std::uint64_t left, std::uint64_t right) {
    std::uint64_t product = 0;
    return __builtin_mul_overflow(left, right, &product) ? std::numeric_limits<std::uint64_t>::max()
                                                         : product;
}

/// Units for one pass over this much text.
std::uint64_t pass(std::uint64_t bytes) {
    return bytes / 10 + (bytes % 10 == 0 ? 0 : 1);
}

Cost plus(const Cost& left, const Cost& right) {
    return {plus(left.min, right.min), plus(left.max, right.max)};
}

/// What a part costs, and how many bytes or items its value may have.
struct Estimate {
    Cost cost;
    Cost size;
};

class Estimator {
public:
    Estimator(const Ast& ast, const Limits& limits) : ast_(ast), limits_(limits) {}

    Estimate visit(NodeId id) {
        const Node& node = ast_[id];
        switch (node.kind) {
            case NodeKind::constant: return {{}, {node.constant.size(), node.constant.size()}};
            case NodeKind::identifier: return {{1, 1}, unknown_size(node)};
            case NodeKind::select:
            case NodeKind::has:
                if (node.resolution == Resolution::slot) return {{1, 1}, unknown_size(node)};
                return {plus(children(node), {1, 1}), unknown_size(node)};
            case NodeKind::unary:
            case NodeKind::index: return {plus(children(node), {1, 1}), unknown_size(node)};
            case NodeKind::binary: return binary(node);
            case NodeKind::all_of:
            case NodeKind::any_of: return logical(node);
            case NodeKind::conditional: return conditional(node);
            case NodeKind::list:
                return {plus(children(node), {kNewList, kNewList}), exactly(node.children.size())};
            case NodeKind::map:
                return {
                    plus(children(node), {kNewMap, kNewMap}), exactly(node.children.size() / 2)};
            case NodeKind::call: return call(node);
            case NodeKind::comprehension: return loop(node);
            case NodeKind::bind: return bind(node);
        }
        return {};
    }

private:
    static Cost exactly(std::uint64_t size) { return {size, size}; }

    [[nodiscard]] Cost unknown_size(const Node& node) const {
        const Type& type = node.type;
        if (node.size_max != 0 && has_size(type)) return {0, node.size_max};
        switch (type.kind()) {
            case TypeKind::string:
            case TypeKind::bytes: return {0, limits_.string_bytes_max};
            case TypeKind::list:
            case TypeKind::map: return {0, limits_.list_items_max};
            case TypeKind::dyn:
            case TypeKind::bottom:
                return {0, std::max(limits_.string_bytes_max, limits_.list_items_max)};
            default: return {};
        }
    }

    static bool has_size(const Type& type) {
        return type.is_open() || type.is(TypeKind::string) || type.is(TypeKind::bytes) ||
               type.is(TypeKind::list) || type.is(TypeKind::map);
    }

    Cost children(const Node& node) {
        Cost sum;
        for (const NodeId child : node.children)
            sum = plus(sum, visit(child).cost);
        return sum;
    }

    Estimate binary(const Node& node) {
        const Estimate left = visit(node.children[0]);
        const Estimate right = visit(node.children[1]);
        Estimate result{plus(plus(left.cost, right.cost), {1, 1}), unknown_size(node)};
        const bool sized =
            has_size(ast_[node.children[0]].type) || has_size(ast_[node.children[1]].type);
        if (node.operation == Operation::add && sized) {
            result.size = plus(left.size, right.size);
            result.cost.max = plus(result.cost.max, pass(result.size.max));
        } else if (node.operation == Operation::in) {
            if (!ast_[node.children[1]].type.is(TypeKind::map)) {
                result.cost.max = plus(result.cost.max, right.size.max);
            }
        } else if (sized) {
            result.cost.max = plus(result.cost.max, pass(std::min(left.size.max, right.size.max)));
        }
        return result;
    }

    /// The first term always runs; the others only if those before did not settle it.
    Estimate logical(const Node& node) {
        Cost sum = visit(node.children[0]).cost;
        for (std::size_t i = 1; i < node.children.size(); ++i) {
            sum.max = plus(sum.max, visit(node.children[i]).cost.max);
        }
        return {sum, {}};
    }

    Estimate conditional(const Node& node) {
        const Estimate condition = visit(node.children[0]);
        const Estimate yes = visit(node.children[1]);
        const Estimate no = visit(node.children[2]);
        const Cost branches{
            std::min(yes.cost.min, no.cost.min), std::max(yes.cost.max, no.cost.max)};
        return {
            plus(condition.cost, branches),
            {std::min(yes.size.min, no.size.min), std::max(yes.size.max, no.size.max)}};
    }

    Estimate call(const Node& node) {
        Estimate result{{1, 1}, {}};
        std::uint64_t bytes = 0;
        for (const NodeId child : node.children) {
            const Estimate argument = visit(child);
            result.cost = plus(result.cost, argument.cost);
            // Only the prefix is compared.
            const bool skipped = node.children.size() == 2 && child == node.children.front() &&
                                 (node.name == "startsWith" || node.name == "endsWith");
            if (has_size(ast_[child].type) && !skipped) bytes = plus(bytes, argument.size.max);
        }
        result.cost.max = plus(result.cost.max, pass(bytes));
        result.size = unknown_size(node);
        result.size.max = has_size(node.type) ? std::max(result.size.max, times(bytes, 2)) : 0;
        return result;
    }

    Estimate loop(const Node& node) {
        const Estimate range = visit(node.children[0]);
        Cost body{1, 1};
        Cost element_size;
        for (std::size_t i = 1; i < node.children.size(); ++i) {
            const Estimate part = visit(node.children[i]);
            body = plus(body, part.cost);
            element_size = part.size;
        }
        Estimate result;
        // all and exists may be settled by the first element.
        const bool early = node.macro == Macro::all || node.macro == Macro::exists;
        const std::uint64_t turns_min =
            early ? std::min<std::uint64_t>(range.size.min, 1) : range.size.min;
        result.cost =
            plus(range.cost, Cost{times(turns_min, body.min), times(range.size.max, body.max)});
        result.cost = plus(result.cost, {1, 1});
        if (!node.type.is(TypeKind::bool_)) {
            result.cost = plus(result.cost, {kNewList, kNewList});
            result.size = {0, range.size.max};
        }
        return result;
    }

    Estimate bind(const Node& node) {
        const Estimate value = visit(node.children[0]);
        Estimate body = visit(node.children[1]);
        body.cost = plus(plus(body.cost, value.cost), {1, 1});
        return body;
    }

    const Ast& ast_;
    const Limits& limits_;
};

}  // namespace

Cost estimate_cost(const Ast& ast, const Limits& limits) {
    return Estimator(ast, limits).visit(ast.root).cost;
}

}  // namespace rules::cel
