use std::{io::Cursor, net::SocketAddr, path::Path, sync::Arc};

use assay_crypto::tiles::Tiled;
use assay_crypto::{Digest, SecretKey};
use assay_ledger::{
    ChainId, Contradiction, Counts, Examined, FileRecord, LedgerTime, NotTheSlices, Promised,
    StateFile, examine,
};
use assay_vault::{
    Coding, Piece, content_digest,
    download::{DownloadConfig, DownloadError},
    owner_key,
    storage::{Keeper, StorageConfig},
    upload::UploadConfig,
};
use tempfile::TempDir;

use super::*;
use crate::{
    storage::StorageRole,
    transport::{Access, BoxFuture, Handler, Limits, Protocols, Refused, Standing},
};

pub(crate) const LENGTH: usize = (9 << 20) + 12_345;

impl Handler<Request> for StorageRole {
    fn handle(
        &self,
        peer: PublicKey,
        request: Request,
    ) -> BoxFuture<'_, Result<Response, Refused>> {
        Box::pin(async move { Ok(StorageRole::handle(self, peer, request).await) })
    }
}

fn everyone() -> Arc<dyn Access> {
    Arc::new(|_: &PublicKey| Standing::Registered)
}

async fn node(seed: u8, role: Option<StorageRole>) -> Transport {
    let key = SecretKey::from_seed([seed; 32]);
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let protocols = match role {
        Some(role) => Protocols::default().answering::<Request>(Arc::new(role)),
        None => Protocols::default(),
    };
    Transport::bind(&key, any, Limits::default(), everyone(), protocols)
        .await
        .unwrap()
}

/// Keeps files for nothing.
fn keeper(seed: u8) -> Keeper {
    Keeper {
        key: SecretKey::from_seed([seed; 32]),
        chain: kept().chain,
        price: Amount::ZERO,
        longest_ms: u64::MAX,
        now: Some(LedgerTime(0)),
    }
}

pub(crate) fn kept() -> Kept {
    Kept {
        chain: ChainId(Digest([1; 32])),
        until: LedgerTime(1_000),
        firm: false,
        most_price: MOST_PRICE,
    }
}

pub(crate) struct Network {
    pub(crate) client: Transport,
    pub(crate) nodes: Vec<Transport>,
    pub(crate) dirs: Vec<TempDir>,
}

impl Network {
    pub(crate) async fn start(count: u8) -> Self {
        let client = node(100, None).await;
        let (mut nodes, mut dirs) = (Vec::new(), Vec::new());
        for seed in 1..=count {
            let dir = tempfile::tempdir().unwrap();
            let role = StorageRole::open(dir.path(), StorageConfig::new(1 << 30)).unwrap();
            role.keep_as(keeper(seed)).await;
            let storage = node(seed, Some(role)).await;
            client.book().set(storage.id(), [storage.address()]);
            nodes.push(storage);
            dirs.push(dir);
        }
        Self {
            client,
            nodes,
            dirs,
        }
    }

    pub(crate) fn ids(&self) -> Vec<PublicKey> {
        self.nodes.iter().map(Transport::id).collect()
    }

    pub(crate) async fn candidates(&self) -> Vec<Candidate> {
        let known = |node| Known {
            node,
            owner: node,
            bonded: u64::MAX,
        };
        let known: Vec<Known> = self.ids().into_iter().map(known).collect();
        candidates(&self.client, &known, 2, MOST_PRICE).await
    }

    pub(crate) async fn store(
        &self,
        bytes: &[u8],
        key: &FileKey,
    ) -> Result<FileRecord, StoreError> {
        let owner = SecretKey::from_seed([100; 32]);
        let file = NewFile {
            owner: owner.public(),
            name: "rows.jsonl".to_owned(),
            media_type: "application/jsonl".to_owned(),
            length: bytes.len() as u64,
            content: None,
            coding: Coding::Replicated { copies: 2 },
            key: key.clone(),
            envelope_to: Some(owner.encryption().public()),
            kept: kept(),
        };
        let candidates = self.candidates().await;
        let config = UploadConfig {
            copies: 2,
            attempts: 2,
            retry_ms: 50,
            ..Default::default()
        };
        let source = Cursor::new(bytes.to_vec());
        upload(
            &self.client,
            config,
            &candidates,
            file,
            source,
            None,
            async |_, _| Ok(()),
        )
        .await
        .map(|stored| stored.record)
    }

    pub(crate) async fn read(
        &self,
        record: &FileRecord,
        key: FileKey,
    ) -> Result<Vec<u8>, DownloadError> {
        let config = DownloadConfig {
            rounds: 1,
            hedge_ms: 500,
            ..Default::default()
        };
        let mut plain = Vec::new();
        let content = download(&self.client, config, record, key, &mut plain).await?;
        assert_eq!(content.digest, content_digest(&plain));
        Ok(plain)
    }
}

pub(crate) fn text() -> Vec<u8> {
    (0..LENGTH).map(|i| (i / 7 % 251) as u8).collect()
}

pub(crate) fn files_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for shard in std::fs::read_dir(dir.join("pieces")).unwrap() {
        for file in std::fs::read_dir(shard.unwrap().path()).unwrap() {
            found.push(file.unwrap().path());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_comes_back_and_its_nodes_saw_ciphertext_only() {
    let network = Network::start(3).await;
    let (plain, key) = (text(), fresh_key().unwrap());
    let record = network.store(&plain, &key).await.unwrap();
    assert_eq!((record.slices, record.placement.len()), (3, 2));

    let owner = SecretKey::from_seed([100; 32]).encryption();
    let opened = owner_key(&record, &owner).unwrap();
    assert_eq!(network.read(&record, opened).await.unwrap(), plain);

    for dir in &network.dirs {
        for file in files_below(dir.path()) {
            let bytes = std::fs::read(file).unwrap();
            assert!(!bytes.windows(64).any(|window| window == &plain[..64]));
        }
    }
}

/// What a requester does whose provider sealed garbage, or a good state with a manifest that does not open: it
/// needs the sealed slices and the released key, and nothing that opens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_is_looked_at_by_its_sealed_slices() {
    let network = Network::start(2).await;
    let (state, key) = (text(), fresh_key().unwrap());
    let good = StateFile::encode(&Counts::default(), state.clone());
    let mut bad = good.clone();
    bad[5 << 20] ^= 1;
    for (file, is_good) in [(good, true), (bad, false)] {
        let record = network.store(&file, &key).await.unwrap();
        let (mut pieces, config) = (Vec::new(), DownloadConfig::default());
        let take = |piece| pieces.push(piece);
        fetch_sealed(&network.client, config, &record, take)
            .await
            .unwrap();
        let promised = Promised {
            state: Tiled::of(&state),
            root: record.root,
            slices: record.slices,
        };
        let digests: Vec<Digest> = pieces.iter().map(Piece::digest).collect();
        let look = |key: &FileKey| {
            examine(&promised, key, &digests, |slice| {
                Ok::<_, NotTheSlices>(pieces[slice as usize].bytes().to_vec())
            })
            .unwrap()
        };
        match look(&key) {
            Examined::Good(found) => assert!(is_good && found == state),
            Examined::Bad(shows) => {
                assert!(!is_good);
                assert!(matches!(*shows, Contradiction::Tile { index: 320, .. }));
                assert_eq!(shows.check(&promised, &key), Ok(()));
            }
        }
        let other = fresh_key().unwrap();
        assert!(matches!(look(&other), Examined::Bad(_)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_and_a_rotten_copy_are_passed_over() {
    let network = Network::start(2).await;
    let (plain, key) = (text(), fresh_key().unwrap());
    let record = network.store(&plain, &key).await.unwrap();

    for file in files_below(network.dirs[0].path()) {
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[0] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    assert_eq!(network.read(&record, key.clone()).await.unwrap(), plain);

    network.nodes[1].close().await;
    let error = network.read(&record, key).await.unwrap_err().to_string();
    assert!(error.contains("the manifest of file"), "{error}");
    assert!(
        error.contains("refused") && error.contains("unreachable"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_storage_nodes_are_named() {
    let network = Network::start(1).await;
    let error = network
        .store(b"short", &fresh_key().unwrap())
        .await
        .unwrap_err();
    let StoreError::Upload(error) = error else {
        panic!("{error}")
    };
    assert!(error.to_string().contains("add storage nodes"), "{error}");
}
