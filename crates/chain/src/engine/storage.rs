//! Where the engine keeps finalized blocks and certificates for peers that catch up.

use std::num::NonZeroUsize;
use std::sync::Arc;

use commonware_runtime::buffer::paged::CacheRef;
use commonware_storage::archive::immutable;
use commonware_utils::{NZU16, NZU64, NZUsize};

use super::finalizer::Fatal;
use super::payload::Payload;
use super::runtime::Runtime;
use crate::scheme::{Finalization, PayloadDigest};

const PAGE_BYTES: u16 = 4_084;
const PAGES: usize = 512;
const BUFFER: NonZeroUsize = NZUsize!(64 * 1024);

type Certificates<E> = immutable::Archive<E, PayloadDigest, Finalization>;
type Blocks<E> = immutable::Archive<E, PayloadDigest, Arc<Payload>>;

pub(crate) fn page_cache() -> CacheRef {
    CacheRef::new(NZU16!(PAGE_BYTES), NZUsize!(PAGES))
}

/// Opens both archives. They are append-only and never pruned: a validator that was away for
/// long asks for blocks from here.
pub(crate) async fn archives<E: Runtime>(
    context: &E,
    prefix: &str,
    page_cache: &CacheRef,
) -> Result<(Certificates<E>, Blocks<E>), Fatal> {
    let certificates = open(context, prefix, "certificates", page_cache).await?;
    let blocks = open(context, prefix, "blocks", page_cache).await?;
    Ok((certificates, blocks))
}

async fn open<E: Runtime, V: commonware_codec::CodecShared<Cfg = ()>>(
    context: &E,
    prefix: &str,
    name: &'static str,
    page_cache: &CacheRef,
) -> Result<immutable::Archive<E, PayloadDigest, V>, Fatal> {
    let partition = |part: &str| format!("{prefix}{name}-{part}");
    let config = immutable::Config {
        metadata_partition: partition("metadata"),
        freezer_table_partition: partition("table"),
        freezer_table_initial_size: 4_096,
        freezer_table_resize_frequency: 4,
        freezer_table_resize_chunk_size: 4_096,
        freezer_key_partition: partition("keys"),
        freezer_key_page_cache: page_cache.clone(),
        freezer_value_partition: partition("values"),
        freezer_value_target_size: 256 * 1024 * 1024,
        freezer_value_compression: None,
        ordinal_partition: partition("ordinal"),
        items_per_section: NZU64!(4_096),
        codec_config: (),
        replay_buffer: BUFFER,
        freezer_key_write_buffer: BUFFER,
        freezer_value_write_buffer: BUFFER,
        ordinal_write_buffer: BUFFER,
    };
    immutable::Archive::init(context.child(name), config)
        .await
        .map_err(|source| Fatal::Archive { name, source })
}
