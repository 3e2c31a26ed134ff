#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <optional>
#include <tuple>

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>

#include "ledger/base/invariant.hpp"
#include "ledger/big_endian.hpp"
#include "ledger/rocksdb_common.hpp"
#include "ledger/row_codec.hpp"
#include "ledger/store.hpp"

// views/: everything that can be rebuilt. Rows enter only as sorted files: the WAL and the
// memtables stay empty.
namespace ledger {
namespace {

constexpr std::size_t kFamilies = static_cast<std::size_t>(ViewFamily::count_);
constexpr char kMetaVersion = 1;
constexpr std::string_view kAppliedGroup = "applied_group";
constexpr std::string_view kFormat = "format";
constexpr std::string_view kApplyVersionRow = "apply_version";
constexpr std::string_view kIncoming = "/incoming";

template <typename Number>
std::string meta_value(Number number) {
    std::string value(1, kMetaVersion);
    append_big_endian(value, number);
    return value;
}

/// nullopt: malformed.
template <typename Number>
std::optional<Number> meta_number(std::string_view value) {
    if (value.size() != 1 + sizeof(Number) || value.front() != kMetaVersion) {
        return std::nullopt;
    }
    return load_big_endian<Number>(value.data() + 1);
}

/// How a family is used, which is all its options depend on.
struct Shape {
    bool point_reads = false;  ///< asked by whole key, often in vain: a filter pays
    bool ascending =
        false;  ///< new keys are mostly after the old ones: files go to the last level at once
    bool compressible = false;
    int files_before_compaction = 8;
};

Shape shape(ViewFamily family) {
    switch (family) {
        case ViewFamily::meta:
        case ViewFamily::program:
        case ViewFamily::api_key: return {.files_before_compaction = 8};
        // Written by every checkpoint in random order: each compaction rewrites much, so let many
        // files gather first.
        case ViewFamily::member:
            return {.point_reads = true, .compressible = true, .files_before_compaction = 20};
        // The server's own filter answers misses, so only true hits see the many files.
        case ViewFamily::keys: return {.point_reads = true, .files_before_compaction = 20};
        case ViewFamily::lot:
        case ViewFamily::stmt: return {.point_reads = true, .compressible = true};
        case ViewFamily::rev: return {.point_reads = true, .compressible = true};
        case ViewFamily::due: return {.compressible = true};
        case ViewFamily::blind:
        case ViewFamily::waiting:
        case ViewFamily::orphan: return {.point_reads = true};
        case ViewFamily::seqidx:
        case ViewFamily::tree:
            return {.ascending = true, .compressible = family == ViewFamily::seqidx};
        case ViewFamily::ctr: return {.point_reads = true, .compressible = true};
        case ViewFamily::count_: break;
    }
    return {};
}

rocksdb::ColumnFamilyOptions family_options(
    ViewFamily family, const std::shared_ptr<rocksdb::Cache>& cache
) {
    const Shape kind = shape(family);
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.checksum = rocksdb::kXXH3;
    table.format_version = 5;
    // Indexes and filters stay beside their files, outside the cache: 1.3 bytes a key, and a Get
    // never reads one first.
    table.cache_index_and_filter_blocks = false;
    if (kind.point_reads) {
        table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    }
    rocksdb::ColumnFamilyOptions options;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    // Young files are rewritten soon: compressing them would be paid for again and again. Old
    // levels get zstd-1; `keys`, `blind` and `tree` are hashes, which nothing compresses.
    options.compression_per_level.assign(
        static_cast<std::size_t>(options.num_levels), rocksdb::kNoCompression
    );
    if (kind.compressible) {
        std::fill(
            options.compression_per_level.begin() + 2,
            options.compression_per_level.end(),
            rocksdb::kZSTD
        );
        options.compression_opts.level = 1;
    }
    options.level0_file_num_compaction_trigger = kind.files_before_compaction;
    // Nothing is written through memtables, so there is nobody to slow down; and a checkpoint must
    // never wait.
    options.level0_slowdown_writes_trigger = 1 << 20;
    options.level0_stop_writes_trigger = 1 << 20;
    options.soft_pending_compaction_bytes_limit = 0;
    options.hard_pending_compaction_bytes_limit = 0;
    options.target_file_size_base = std::uint64_t{32} << 20;
    // The memtables are never used; small arenas.
    options.write_buffer_size = std::size_t{1} << 20;
    options.force_consistency_checks = true;
    return options;
}

/// Of the files that are ingested: the family's, but uncompressed unless they will never be
/// rewritten.
rocksdb::Options writer_options(
    const rocksdb::DBOptions& database, const rocksdb::ColumnFamilyOptions& family, ViewFamily which
) {
    rocksdb::Options options(database, family);
    const Shape kind = shape(which);
    options.compression_per_level.clear();
    options.compression =
        kind.ascending && kind.compressible ? rocksdb::kZSTD : rocksdb::kNoCompression;
    // The listener is for the database; the writer reports to its caller.
    options.listeners.clear();
    return options;
}

/// The least key above all with `prefix`; empty: none.
std::string after_prefix(std::string_view prefix) {
    std::string end(prefix);
    while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xFF) {
        end.pop_back();
    }
    if (!end.empty()) {
        end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
    }
    return end;
}

/// The open database; snapshots share it so that it outlives them.
struct Database {
    explicit Database(RocksdbEnv environment) : env(std::move(environment)) {}
    ~Database() { close(); }
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    void close() {
        for (rocksdb::ColumnFamilyHandle* family : handles) {
            if (family != nullptr) {
                db->DestroyColumnFamilyHandle(family).PermitUncheckedError();
            }
        }
        handles.clear();
        db.reset();
    }
    [[nodiscard]] rocksdb::ColumnFamilyHandle* handle(ViewFamily family) const {
        return handles[static_cast<std::size_t>(family)];
    }

    RocksdbEnv env;
    std::unique_ptr<rocksdb::DB> db;
    std::vector<rocksdb::ColumnFamilyHandle*>
        handles;  ///< by ViewFamily; the last one is `default`
};

Result<std::optional<std::string>> get(
    const Database& database,
    const rocksdb::ReadOptions& read,
    ViewFamily family,
    std::string_view key
) {
    std::string found;
    const auto status = database.db->Get(read, database.handle(family), slice(key), &found);
    if (status.IsNotFound()) {
        return std::optional<std::string>();
    }
    if (!status.ok()) {
        return error_from(status, fmt::format("cannot read view {}", name(family)));
    }
    return std::optional(std::move(found));
}

class RocksdbSnapshot final : public ViewSnapshot {
public:
    explicit RocksdbSnapshot(std::shared_ptr<const Database> database)
        : database_(std::move(database)), snapshot_(database_->db->GetSnapshot()) {
        read_.snapshot = snapshot_;
        const auto stored = ledger::get(*database_, read_, ViewFamily::meta, kAppliedGroup);
        applied_ =
            GroupId{stored && *stored ? meta_number<std::uint64_t>(**stored).value_or(0) : 0};
    }
    ~RocksdbSnapshot() override { database_->db->ReleaseSnapshot(snapshot_); }

    [[nodiscard]] GroupId applied_group() const override { return applied_; }

    Result<std::optional<std::string>> get(ViewFamily family, std::string_view key) const override {
        return ledger::get(*database_, read_, family, key);
    }

    Result<void> scan(
        ViewFamily family,
        std::string_view prefix,
        std::string_view from,
        const std::function<bool(std::string_view key, std::string_view value)>& visit
    ) const override {
        const std::string end = after_prefix(prefix);
        const rocksdb::Slice bound = slice(end);
        rocksdb::ReadOptions read = read_;
        if (!end.empty()) {
            read.iterate_upper_bound = &bound;
        }
        if (prefix.empty()) {
            // A whole family (digests, rebuilding the filter): a long sequential read that must not
            // empty the cache.
            read.readahead_size = std::size_t{2} << 20;
            read.fill_cache = false;
        }
        const std::unique_ptr<rocksdb::Iterator> rows(
            database_->db->NewIterator(read, database_->handle(family))
        );
        for (rows->Seek(slice(std::max(prefix, from))); rows->Valid(); rows->Next()) {
            if (!visit(view(rows->key()), view(rows->value()))) {
                return {};
            }
        }
        return finished(*rows, family);
    }

    Result<std::optional<std::pair<std::string, std::string>>> seek_for_prev(
        ViewFamily family, std::string_view prefix, std::string_view key
    ) const override {
        rocksdb::ReadOptions read = read_;
        const rocksdb::Slice bound = slice(prefix);
        read.iterate_lower_bound = &bound;
        const std::unique_ptr<rocksdb::Iterator> rows(
            database_->db->NewIterator(read, database_->handle(family))
        );
        rows->SeekForPrev(slice(key));
        if (auto done = finished(*rows, family); !done) {
            return done.error();
        }
        if (!rows->Valid() || !rows->key().starts_with(slice(prefix))) {
            return std::optional<std::pair<std::string, std::string>>();
        }
        return std::optional(std::pair(rows->key().ToString(), rows->value().ToString()));
    }

private:
    static Result<void> finished(const rocksdb::Iterator& rows, ViewFamily family) {
        if (!rows.status().ok()) {
            return error_from(rows.status(), fmt::format("cannot scan view {}", name(family)));
        }
        return {};
    }

    const std::shared_ptr<const Database> database_;
    const rocksdb::Snapshot* snapshot_;
    rocksdb::ReadOptions read_;
    GroupId applied_;
};

/// A record's place in the order of its family: the first 16 key bytes as numbers decide nearly
/// always, so that the sort touches no string.
struct SortKey {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::uint32_t record = 0;
};

SortKey sort_key(const std::string& key, std::size_t record) {
    char bytes[16] = {};
    std::memcpy(bytes, key.data(), std::min(key.size(), sizeof bytes));
    return {
        load_big_endian<std::uint64_t>(bytes),
        load_big_endian<std::uint64_t>(bytes + 8),
        static_cast<std::uint32_t>(record)};
}

/// A claimed key as it is sorted: program and the first hash bytes, then the others. Two of them an
/// event make up most of a checkpoint, so they never become strings before the file is written.
struct ClaimedKey {
    std::uint64_t high = 0;    ///< program · hash[0, 4)
    std::uint64_t middle = 0;  ///< hash[4, 12)
    std::uint32_t low = 0;     ///< hash[12, 16)
    std::uint64_t seq = 0;
    friend bool operator<(const ClaimedKey& a, const ClaimedKey& b) {
        return std::tie(a.high, a.middle, a.low) < std::tie(b.high, b.middle, b.low);
    }
};

std::vector<ClaimedKey> claimed_keys(const CheckpointBatch& batch) {
    std::size_t count = 0;
    for (const auto& block : batch.seen) {
        count += block.size();
    }
    std::vector<ClaimedKey> keys;
    keys.reserve(count);
    for (const auto& block : batch.seen) {
        for (const SeenKey& seen : block) {
            const char* hash = reinterpret_cast<const char*>(seen.hash.data());
            keys.push_back({
                std::uint64_t{seen.program} << 32 | load_big_endian<std::uint32_t>(hash),
                load_big_endian<std::uint64_t>(hash + 4),
                load_big_endian<std::uint32_t>(hash + 12),
                seen.seq,
            });
        }
    }
    std::ranges::sort(keys, std::less<>());
    return keys;
}

class RocksdbViews final : public ViewStore {
public:
    RocksdbViews(Options options, RocksdbEnv env)
        : options_(std::move(options)), database_(std::make_shared<Database>(std::move(env))) {}

    Result<void> open();

    [[nodiscard]] bool rebuilt() const override { return rebuilt_; }
    [[nodiscard]] GroupId applied_group() const override {
        return GroupId{applied_.load(std::memory_order_acquire)};
    }
    Result<std::vector<std::optional<std::string>>> multi_get(std::span<const RowRef> rows
    ) const override;
    std::unique_ptr<ViewSnapshot> snapshot() const override {
        return std::make_unique<RocksdbSnapshot>(database_);
    }
    Result<void> ingest(CheckpointBatch batch) override;
    StoreStats stats() override;
    Result<void> compact() override;

private:
    struct Versions {
        bool empty = true;
        std::uint32_t format = 0;
        std::uint32_t apply_version = 0;
        std::uint64_t applied_group = 0;
    };
    Result<void> open_database();
    Result<Versions> versions() const;
    Result<void> forget_incoming();
    Result<void> leave_sequence_zero();
    Result<std::vector<std::string>> unknown_families();
    /// Writes the rows that `add` gives to a file to be ingested.
    Result<rocksdb::IngestExternalFileArg> write_file(
        ViewFamily family, const std::function<rocksdb::Status(rocksdb::SstFileWriter&)>& add
    ) const;
    Result<rocksdb::IngestExternalFileArg> write_records(
        ViewFamily family, const std::vector<ViewRecord>& records, std::vector<SortKey>& order
    ) const;
    Result<rocksdb::IngestExternalFileArg> write_claimed(const std::vector<ClaimedKey>& keys) const;

    const Options options_;
    const std::shared_ptr<Database> database_;
    rocksdb::DBOptions database_options_;
    std::array<rocksdb::ColumnFamilyOptions, kFamilies> family_options_;
    bool rebuilt_ = false;
    bool incomplete_ = false;  ///< made by a release that had fewer families
    std::atomic<std::uint64_t> applied_{0};
};

Result<std::vector<std::string>> RocksdbViews::unknown_families() {
    std::vector<std::string> found;
    std::vector<std::string> unknown;
    if (!options_.disk->exists(options_.path + "/CURRENT")) {
        return unknown;
    }
    const auto status = rocksdb::DB::ListColumnFamilies(database_options_, options_.path, &found);
    if (!status.ok()) {
        return error_from(status, "cannot open " + options_.path);
    }
    incomplete_ = found.size() < kFamilies + 1;
    for (std::string& family : found) {
        bool known = family == rocksdb::kDefaultColumnFamilyName;
        for (std::size_t i = 0; i < kFamilies; ++i) {
            known = known || family == name(static_cast<ViewFamily>(i));
        }
        if (!known) {
            unknown.push_back(std::move(family));
        }
    }
    return unknown;
}

Result<void> RocksdbViews::open_database() {
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (std::size_t i = 0; i < kFamilies; ++i) {
        descriptors.emplace_back(std::string(name(static_cast<ViewFamily>(i))), family_options_[i]);
    }
    descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions());
    rocksdb::DB* raw = nullptr;
    const rocksdb::Status status =
        options_.read_only
            ? rocksdb::DB::OpenForReadOnly(
                  database_options_, options_.path, descriptors, &database_->handles, &raw
              )
            : rocksdb::DB::Open(
                  database_options_, options_.path, descriptors, &database_->handles, &raw
              );
    if (!status.ok()) {
        database_->handles.clear();
        if (options_.read_only && status.IsInvalidArgument()) {
            // The families are made one after the other; a start for writing makes the rest.
            return make_error(
                ErrorCode::not_found,
                options_.path + " was not finished by the start that made it and holds no row"
            );
        }
        return error_from(status, "cannot open " + options_.path);
    }
    database_->db.reset(raw);
    return {};
}

Result<RocksdbViews::Versions> RocksdbViews::versions() const {
    const rocksdb::ReadOptions read;
    const auto format = get(*database_, read, ViewFamily::meta, kFormat);
    const auto apply_version = get(*database_, read, ViewFamily::meta, kApplyVersionRow);
    const auto applied = get(*database_, read, ViewFamily::meta, kAppliedGroup);
    for (const auto* row : {&format, &apply_version, &applied}) {
        if (!*row) {
            return row->error();
        }
    }
    Versions found;
    if (!*format && !*apply_version && !*applied) {
        return found;
    }
    found.empty = false;
    const auto format_number = *format ? meta_number<std::uint32_t>(**format) : std::nullopt;
    const auto apply_number =
        *apply_version ? meta_number<std::uint32_t>(**apply_version) : std::nullopt;
    const auto applied_number = *applied ? meta_number<std::uint64_t>(**applied) : std::nullopt;
    if (!format_number || !apply_number || !applied_number) {
        return make_error(ErrorCode::corrupt, options_.path + ": a row of view meta is malformed");
    }
    found.format = *format_number;
    found.apply_version = *apply_number;
    found.applied_group = *applied_number;
    return found;
}

Result<void> RocksdbViews::open() {
    if (!options_.read_only) {
        if (auto made = options_.disk->create_directory(options_.path + std::string(kIncoming));
            !made) {
            return made;
        }
        if (auto forgotten = forget_incoming(); !forgotten) {
            return forgotten;
        }
    } else if (!options_.disk->exists(options_.path + "/CURRENT")) {
        return make_error(ErrorCode::not_found, options_.path + " holds no views");
    }
    database_options_ =
        common_options(database_->env, "views", options_.read_only, options_.on_failure);
    const auto cache = rocksdb::NewLRUCache(options_.cache_bytes);
    for (std::size_t i = 0; i < kFamilies; ++i) {
        family_options_[i] = family_options(static_cast<ViewFamily>(i), cache);
    }
    const auto unknown = unknown_families();
    if (!unknown) {
        return unknown.error();
    }
    if (!unknown->empty()) {
        return make_error(
            ErrorCode::newer_format,
            fmt::format("{}: this release does not know view {}", options_.path, unknown->front())
        );
    }
    if (incomplete_ && options_.read_only) {
        rebuilt_ = true;
        return {};
    }
    if (auto opened = open_database(); !opened) {
        return opened;
    }
    const auto found = versions();
    if (!found) {
        return found.error();
    }
    if (found->format > kViewFormat || found->apply_version > options_.apply_version) {
        return make_error(
            ErrorCode::newer_format,
            fmt::format(
                "{}: format {} apply version {}, this release knows {} and {}",
                options_.path,
                found->format,
                found->apply_version,
                kViewFormat,
                options_.apply_version
            )
        );
    }
    const bool older = !found->empty && (found->format < kViewFormat ||
                                         found->apply_version < options_.apply_version);
    if (!older) {
        applied_.store(found->applied_group, std::memory_order_release);
        return leave_sequence_zero();
    }
    rebuilt_ = true;
    if (options_.read_only) {
        // `verify` compares with nothing rather than with rows of another meaning.
        return {};
    }
    database_->close();
    std::vector<rocksdb::ColumnFamilyDescriptor> all;
    for (std::size_t i = 0; i < kFamilies; ++i) {
        all.emplace_back(std::string(name(static_cast<ViewFamily>(i))), family_options_[i]);
    }
    const auto status = rocksdb::DestroyDB(
        options_.path, rocksdb::Options(database_options_, rocksdb::ColumnFamilyOptions()), all
    );
    if (!status.ok()) {
        return error_from(status, "cannot empty " + options_.path);
    }
    if (auto made = options_.disk->create_directory(options_.path + std::string(kIncoming));
        !made) {
        return made;
    }
    if (auto opened = open_database(); !opened) {
        return opened;
    }
    return leave_sequence_zero();
}

/// Files ingested into an empty database get sequence number 0, and compaction takes a snapshot of
/// number 0 for none: it then drops deleted rows that the snapshot still has to see. A second
/// ingestion of `meta` overlaps the first and gets number 1.
Result<void> RocksdbViews::leave_sequence_zero() {
    constexpr int kTriesMax = 2;
    for (int i = 0;
         i < kTriesMax && !options_.read_only && database_->db->GetLatestSequenceNumber() == 0;
         ++i) {
        CheckpointBatch nothing;
        nothing.applied_group = applied_group().value;
        if (auto ingested = ingest(std::move(nothing)); !ingested) {
            return ingested;
        }
    }
    INVARIANT(options_.read_only || database_->db->GetLatestSequenceNumber() > 0);
    return {};
}

/// Files that a killed checkpoint left behind.
Result<void> RocksdbViews::forget_incoming() {
    const std::string folder = options_.path + std::string(kIncoming);
    std::vector<std::string> names;
    rocksdb::Env* env = database_->env.get();
    if (const auto status = env->GetChildren(folder, &names); !status.ok()) {
        return error_from(status, "cannot list " + folder);
    }
    for (const std::string& file : names) {
        if (file == "." || file == "..") {
            continue;
        }
        if (const auto status = env->DeleteFile(folder + "/" + file); !status.ok()) {
            return error_from(status, "cannot delete " + file);
        }
    }
    return {};
}

Result<std::vector<std::optional<std::string>>> RocksdbViews::multi_get(std::span<const RowRef> rows
) const {
    std::vector<std::optional<std::string>> found(rows.size());
    if (rows.empty()) {
        return found;
    }
    // One call a family, keys in order: RocksDB then looks at each file and filter once.
    std::vector<std::uint32_t> order(rows.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = static_cast<std::uint32_t>(i);
    }
    std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
        return std::pair(rows[a].family, std::string_view(rows[a].key)) <
               std::pair(rows[b].family, std::string_view(rows[b].key));
    });
    std::vector<rocksdb::Slice> keys;
    for (std::size_t begin = 0; begin < order.size();) {
        const ViewFamily family = rows[order[begin]].family;
        keys.clear();
        std::size_t end = begin;
        for (; end < order.size() && rows[order[end]].family == family; ++end) {
            keys.push_back(slice(rows[order[end]].key));
        }
        std::vector<rocksdb::PinnableSlice> values(keys.size());
        std::vector<rocksdb::Status> statuses(keys.size());
        database_->db->MultiGet(
            rocksdb::ReadOptions(),
            database_->handle(family),
            keys.size(),
            keys.data(),
            values.data(),
            statuses.data(),
            true
        );
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (statuses[i].ok()) {
                found[order[begin + i]].emplace(values[i].data(), values[i].size());
            } else if (!statuses[i].IsNotFound()) {
                return error_from(statuses[i], fmt::format("cannot read view {}", name(family)));
            }
        }
        begin = end;
    }
    return found;
}

Result<rocksdb::IngestExternalFileArg> RocksdbViews::write_file(
    ViewFamily family, const std::function<rocksdb::Status(rocksdb::SstFileWriter&)>& add
) const {
    const auto index = static_cast<std::size_t>(family);
    const std::string path = fmt::format("{}{}/{}.sst", options_.path, kIncoming, name(family));
    const rocksdb::Options options =
        writer_options(database_options_, family_options_[index], family);
    // The handle binds the file to its family; pages stay in the cache, for the compaction reads
    // them soon.
    const rocksdb::EnvOptions smooth(database_options_);
    rocksdb::SstFileWriter writer(smooth, options, database_->handle(family), false);
    rocksdb::Status status = writer.Open(path);
    if (status.ok()) {
        status = add(writer);
    }
    if (status.ok()) {
        status = writer.Finish();
    }
    if (!status.ok()) {
        return error_from(status, fmt::format("cannot write rows of view {}", name(family)));
    }
    rocksdb::IngestExternalFileArg arg;
    arg.column_family = database_->handle(family);
    arg.external_files = {path};
    // Linked in, not copied. The sequence number stays in the MANIFEST: rewriting the file is
    // deprecated.
    arg.options.move_files = true;
    arg.options.write_global_seqno = false;
    arg.options.verify_file_checksum = false;
    return arg;
}

Result<rocksdb::IngestExternalFileArg> RocksdbViews::write_records(
    ViewFamily family, const std::vector<ViewRecord>& records, std::vector<SortKey>& order
) const {
    std::ranges::sort(order, [&](const SortKey& a, const SortKey& b) {
        if (a.high != b.high) {
            return a.high < b.high;
        }
        if (a.low != b.low) {
            return a.low < b.low;
        }
        return records[a.record].key < records[b.record].key;
    });
    return write_file(family, [&](rocksdb::SstFileWriter& writer) {
        rocksdb::Status status;
        for (const SortKey& key : order) {
            const ViewRecord& record = records[key.record];
            status = record.erase ? writer.Delete(slice(record.key))
                                  : writer.Put(slice(record.key), slice(record.value));
            if (!status.ok()) {
                break;
            }
        }
        return status;
    });
}

Result<rocksdb::IngestExternalFileArg> RocksdbViews::write_claimed(
    const std::vector<ClaimedKey>& keys
) const {
    return write_file(ViewFamily::keys, [&](rocksdb::SstFileWriter& writer) {
        rocksdb::Status status;
        std::array<char, 20> bytes{};
        std::string value;
        for (const ClaimedKey& key : keys) {
            store_big_endian(bytes.data(), key.high);
            store_big_endian(bytes.data() + 8, key.middle);
            store_big_endian(bytes.data() + 16, key.low);
            value.clear();
            encode_row(Seq{key.seq}, value);
            status = writer.Put(rocksdb::Slice(bytes.data(), bytes.size()), value);
            if (!status.ok()) {
                break;
            }
        }
        return status;
    });
}

Result<void> RocksdbViews::ingest(CheckpointBatch batch) {
    INVARIANT(!options_.read_only && batch.applied_group >= applied_group().value);
    batch.records.push_back(
        {ViewFamily::meta,
         false,
         std::string(kAppliedGroup),
         meta_value(std::uint64_t{batch.applied_group})}
    );
    batch.records.push_back({ViewFamily::meta, false, std::string(kFormat), meta_value(kViewFormat)}
    );
    batch.records.push_back(
        {ViewFamily::meta, false, std::string(kApplyVersionRow), meta_value(options_.apply_version)}
    );

    std::array<std::vector<SortKey>, kFamilies> orders;
    std::array<std::size_t, kFamilies> counts{};
    for (const ViewRecord& record : batch.records) {
        ++counts[static_cast<std::size_t>(record.family)];
    }
    if (counts[static_cast<std::size_t>(ViewFamily::keys)] > 0) {
        // Keys in both forms become one sorted file the slow way.
        batch.expand();
        counts[static_cast<std::size_t>(ViewFamily::keys)] = 0;
    }
    for (std::size_t i = 0; i < kFamilies; ++i) {
        orders[i].reserve(counts[i]);
    }
    for (std::size_t i = 0; i < batch.records.size(); ++i) {
        const ViewRecord& record = batch.records[i];
        orders[static_cast<std::size_t>(record.family)].push_back(sort_key(record.key, i));
    }
    std::vector<rocksdb::IngestExternalFileArg> args;
    if (const std::vector<ClaimedKey> keys = claimed_keys(batch); !keys.empty()) {
        auto arg = write_claimed(keys);
        if (!arg) {
            return arg.error();
        }
        args.push_back(std::move(*arg));
    }
    for (std::size_t i = 0; i < kFamilies; ++i) {
        if (orders[i].empty()) {
            continue;
        }
        auto arg = write_records(static_cast<ViewFamily>(i), batch.records, orders[i]);
        if (!arg) {
            return arg.error();
        }
        args.push_back(std::move(*arg));
    }
    // All families with meta in one call: RocksDB writes them as one atomic group of MANIFEST
    // edits.
    if (const auto status = database_->db->IngestExternalFiles(args); !status.ok()) {
        return error_from(
            status, fmt::format("cannot ingest the checkpoint of group {}", batch.applied_group)
        );
    }
    applied_.store(batch.applied_group, std::memory_order_release);
    return {};
}

StoreStats RocksdbViews::stats() {
    StoreStats stats;
    stats.live_bytes = sum_of_property(
        *database_->db, database_->handles, rocksdb::DB::Properties::kLiveSstFilesSize
    );
    stats.pending_compaction_bytes = sum_of_property(
        *database_->db, database_->handles, rocksdb::DB::Properties::kEstimatePendingCompactionBytes
    );
    return stats;
}

Result<void> RocksdbViews::compact() {
    for (rocksdb::ColumnFamilyHandle* family : database_->handles) {
        const auto status =
            database_->db->CompactRange(rocksdb::CompactRangeOptions(), family, nullptr, nullptr);
        if (!status.ok()) {
            return error_from(status, "cannot compact the views");
        }
    }
    return {};
}

}  // namespace

Result<void> ViewStore::destroy(const std::string& path, const std::shared_ptr<Disk>& disk) {
    const RocksdbEnv env(disk);
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (std::size_t i = 0; i < kFamilies; ++i) {
        families.emplace_back(
            std::string(name(static_cast<ViewFamily>(i))), rocksdb::ColumnFamilyOptions()
        );
    }
    const rocksdb::Options options(
        common_options(env, "views", false, {}), rocksdb::ColumnFamilyOptions()
    );
    if (const auto status = rocksdb::DestroyDB(path, options, families); !status.ok()) {
        return error_from(status, "cannot empty " + path);
    }
    return {};
}

Result<std::unique_ptr<ViewStore>> ViewStore::open(Options options) {
    INVARIANT(options.disk != nullptr);
    RocksdbEnv env(options.disk);
    auto views = std::make_unique<RocksdbViews>(std::move(options), std::move(env));
    if (auto opened = views->open(); !opened) {
        return opened.error();
    }
    return std::unique_ptr<ViewStore>(std::move(views));
}

}  // namespace ledger
