//! How RocksDB is set up, and why each knob stands where it does.

use super::columns::{Column, Profile};
use crate::config;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompactionStyle, DBCompressionType, DBRecoveryMode,
    DataBlockIndexType, Options, SliceTransform, WriteBufferManager, WriteOptions,
};

/// Table files held open; the rest is opened when it is read. Leaves most of a usual limit of 1,024 to the sockets.
const OPEN_FILES_MAX: i32 = 512;

/// Octets of write-ahead log: what is beyond is flushed. Bounds the replay after a crash to a fraction of a second, and
/// keeps a column family that is seldom written (meta) from holding old logs.
const LOG_BYTES_MAX: u64 = 32 << 20;

/// Bits of bloom filter per key: about 1 % false positives.
const BLOOM_BITS: f64 = 10.0;

/// Values of so many octets are put aside: pieces of large bodies, and no message that came in a SIP request.
const LARGE_VALUE: u64 = 16 << 10;

/// Octets of a user's key at the front of an `events` key.
const USER_PREFIX: usize = 16;

/// Of the whole database.
pub(super) fn database(config: &config::Journal) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_open_files(OPEN_FILES_MAX);
    // A flush and a compaction at a time: enough for the append rate, and the other cores serve.
    options.set_max_background_jobs(2);
    // There is one writer (the committer; snapshots and the shelf aside), so the machinery for many would only cost.
    options.set_allow_concurrent_memtable_write(false);
    // All memtables share one budget, whichever column family grows. Writers are not stalled by it: a stalled writer
    // behind a failed flush would hang for ever, while the limit of memtables per column family gives an error.
    options.set_write_buffer_manager(&WriteBufferManager::new_write_buffer_manager(config.write_buffer_bytes, false));
    options.set_max_total_wal_size(LOG_BYTES_MAX);
    // After power loss the log ends at the first record that is not whole; what was synced lies before it. Log files
    // are not recycled: RocksDB knows of a hole that this can make in recovered data.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_recycle_log_file_num(0);
    options.set_paranoid_checks(true);
    // Table files are written out steadily, so that a flush does not make the log's fsync wait behind it.
    options.set_bytes_per_sync(1 << 20);
    // The info log is for post-mortems: a few files of bounded size, without periodic statistics.
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// Every column family we know, plus those in `present` that we do not know (a newer program's, opened only to be
/// able to say so), all with one block cache.
pub(super) fn descriptors(config: &config::Journal, present: &[String]) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(config.cache_bytes);
    let known = Column::ALL.map(|column| ColumnFamilyDescriptor::new(column.name(), family(column.profile(), &cache)));
    let is_known = |name: &str| Column::ALL.iter().any(|column| column.name() == name);
    let unknown = present
        .iter()
        .filter(|name| !is_known(name))
        .map(|name| ColumnFamilyDescriptor::new(name.clone(), family(Profile::PointLookup, &cache)));
    known.into_iter().chain(unknown).collect()
}

fn family(profile: Profile, cache: &Cache) -> Options {
    let mut options = Options::default();
    // Halves the disk for a small price in CPU.
    options.set_compression_type(DBCompressionType::Lz4);
    // Keeps space amplification near 10 % whatever the size.
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_write_buffer_size(64 << 20);
    options.set_max_write_buffer_number(3);
    let mut table = table(cache);
    match profile {
        Profile::PointLookup => {
            table.set_bloom_filter(BLOOM_BITS, false);
            // A key is found in its block by hash; ranges still work.
            table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
            table.set_data_block_hash_ratio(0.75);
        }
        Profile::UserLog => {
            // Bloom filters over the user: waking one looks only into the files that have records of theirs. A scan
            // over several users needs `total_order_seek`; there is none, `users` walks `heads`.
            options.set_prefix_extractor(SliceTransform::create_fixed_prefix(USER_PREFIX));
            options.set_memtable_prefix_bloom_ratio(0.05);
            table.set_bloom_filter(BLOOM_BITS, false);
            table.set_whole_key_filtering(false);
            table.set_block_size(16 << 10);
        }
        Profile::Queue => {
            // Scans must not crawl over the deleted: compact where half of 128 neighbours are tombstones, in small
            // files and small memtables, so that little is rewritten.
            options.add_compact_on_deletion_collector_factory(128, 64, 0.5);
            options.set_write_buffer_size(8 << 20);
            options.set_target_file_size_base(8 << 20);
        }
        Profile::Churn => {
            // Gives the space of ended messages back soon.
            options.add_compact_on_deletion_collector_factory(1024, 512, 0.5);
            table.set_bloom_filter(BLOOM_BITS, false);
            table.set_block_size(16 << 10);
            large_values_aside(&mut options);
        }
    }
    options.set_block_based_table_factory(&table);
    options
}

/// Pieces of large bodies lie in files of their own (RocksDB's blob files): written once at the flush, while compaction
/// moves only where they lie, and never in the block cache. Small memtables, because a thousand transfers fill them as
/// fast as the disk takes them. A program from before reads such a directory: whether values are put aside is a matter of
/// writing only.
fn large_values_aside(options: &mut Options) {
    options.set_write_buffer_size(8 << 20);
    // Writers of pieces pause at two that wait for the disk (`unowned::Yard::pace`); this leaves room for the committer.
    options.set_max_write_buffer_number(4);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(LARGE_VALUE);
    options.set_blob_file_size(64 << 20);
    options.set_blob_compression_type(DBCompressionType::Lz4);
    // Sorted runs of like size are merged. Level by level each merge would meet every key, which are few and short, and the
    // collection of garbage below would move a quarter of all octets on with each: ten times what comes was written so.
    options.set_compaction_style(DBCompactionStyle::Universal);
    // Messages end in about the order in which they came, and a file goes when nothing in it is wanted. What outlives its
    // neighbours for long is moved on.
    options.set_enable_blob_gc(true);
    options.set_blob_gc_age_cutoff(0.25);
    options.set_blob_gc_force_threshold(0.5);
}

/// What all column families share: one cache that bounds everything read, indexes and filters included.
fn table(cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table
}

/// Of an audit beside a running server: a small cache, and every file open from the start, because the server may
/// delete one that it has compacted away.
pub(super) fn secondary() -> (Options, config::Journal) {
    let config = config::Journal { cache_bytes: 32 << 20, ..config::Journal::default() };
    let mut options = database(&config);
    options.create_if_missing(false);
    options.create_missing_column_families(false);
    options.set_max_open_files(-1);
    (options, config)
}

/// In the log when the call returns, and durable with the next synced write of anybody.
///
/// A synced write syncs every log file that is not synced yet, not only the current one (RocksDB, `WriteToWAL`: for each of
/// `logs_`), so a change of log files between the two does not matter. Where a memtable is flushed before that, its table
/// is synced, and all closed log files are synced before it (`SyncClosedWals`, as always with several column families): no
/// table ever shows a piece whose marker a loss of power could take away.
pub(super) fn unsynced() -> WriteOptions {
    WriteOptions::default()
}

/// Durable when the call returns.
pub(super) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}
