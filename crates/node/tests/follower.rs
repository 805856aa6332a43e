//! A follower among nodes that lie: it ends with the honest chain, whoever it asks first.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use assay_api::{ChainError, ChainView};
use assay_crypto::{PublicKey, SecretKey};
use assay_job::Registry;
use assay_ledger::{AccountCall, Amount, Height, query};
use assay_node::{
    client::{
        Follower, Sender,
        protocol::{Request, Response},
    },
    devnet::{Devnet, DevnetOptions, Plan},
    transport::{
        Access, BoxFuture, Handler, Limits, Protocols, Refusal, Refused, Standing, Transport,
    },
    worker::InProcess,
};

/// What a liar does to an honest answer.
type Lie = fn(&mut Vec<Vec<u8>>, &mut Option<Vec<u8>>);

/// Passes questions on to an honest node and bends what comes back.
struct Liar {
    honest: PublicKey,
    way: std::sync::OnceLock<Transport>,
    lie: Lie,
    told: AtomicU32,
}

impl Handler<Request> for Liar {
    fn handle(
        &self,
        _peer: PublicKey,
        request: Request,
    ) -> BoxFuture<'_, Result<Response, Refused>> {
        Box::pin(async move {
            let Some(way) = self.way.get() else {
                return Err(Refused::new(Refusal::Busy, "starting"));
            };
            match way.request(self.honest, &request).await {
                Ok(Response::Blocks {
                    mut blocks,
                    mut evidence,
                }) => {
                    (self.lie)(&mut blocks, &mut evidence);
                    self.told.fetch_add(1, Ordering::SeqCst);
                    Ok(Response::Blocks { blocks, evidence })
                }
                Ok(other) => Ok(other),
                Err(error) => Err(Refused::new(Refusal::Failed, error)),
            }
        })
    }
}

fn everyone() -> Arc<dyn Access> {
    Arc::new(|_: &PublicKey| Standing::Registered)
}

async fn bind(seed: u8, protocols: Protocols) -> Transport {
    let key = SecretKey::from_seed([seed; 32]);
    let any = "127.0.0.1:0".parse().unwrap();
    Transport::bind(&key, any, Limits::default(), everyone(), protocols)
        .await
        .unwrap()
}

async fn reach(chain: &dyn ChainView, height: Height) {
    let mut heights = chain.heights();
    let reached = heights.wait_for(|head| *head >= height);
    tokio::time::timeout(Duration::from_secs(60), reached)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_blocks_are_noticed_and_another_node_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan {
        storage: 0,
        providers: 0,
        auditors: 0,
        ..Plan::default()
    };
    let options = DevnetOptions {
        runner: Box::new(|_| Box::new(InProcess::new(Box::new(Registry)))),
        on_report: Arc::new(|_, _, _| {}),
    };
    let devnet = Devnet::start(dir.path(), &plan, options).await.unwrap();
    let (_, validator) = devnet.nodes().next().unwrap();
    let services = validator.services().clone();
    let (honest, address) = (validator.account(), services.transport.address());
    let chain = services.chain.clone();

    // Something worth lying about.
    let requester = assay_node::keys::load(&dir.path().join("requester/key.json")).unwrap();
    let sender = Sender::new(chain.clone(), requester, Duration::from_secs(30));
    let friend = SecretKey::from_seed([77; 32]).public();
    let call = AccountCall::Transfer {
        to: friend,
        amount: Amount::tokens(5),
    };
    let paid = sender.call(call).await.unwrap();
    reach(&*chain, paid.height.after(3)).await;

    let lies: [(&str, Lie); 5] = [
        ("a flipped byte", |blocks, _| {
            if let Some(byte) = blocks.first_mut().and_then(|block| block.last_mut()) {
                *byte ^= 1;
            }
        }),
        ("a missing block", |blocks, _| {
            if !blocks.is_empty() {
                blocks.remove(0);
            }
        }),
        ("a repeated block", |blocks, _| {
            if let Some(first) = blocks.first().cloned() {
                blocks.insert(0, first);
            }
        }),
        ("evidence of nothing", |_, evidence| {
            if let Some(byte) = evidence.as_mut().and_then(|evidence| evidence.last_mut()) {
                *byte ^= 1;
            }
        }),
        ("garbage", |blocks, evidence| {
            blocks.push(vec![7; 100]);
            *evidence = Some(vec![9; 40]);
        }),
    ];
    for (seed, (name, lie)) in (10u8..).step_by(3).zip(lies) {
        let way = bind(seed, Protocols::default()).await;
        way.book().set(honest, [address]);
        let liar = Arc::new(Liar {
            honest,
            way: way.into(),
            lie,
            told: AtomicU32::new(0),
        });
        let listening = bind(
            seed + 1,
            Protocols::default().answering::<Request>(liar.clone()),
        )
        .await;

        let transport = bind(seed + 2, Protocols::default()).await;
        transport.book().set(honest, [address]);
        transport.book().set(listening.id(), [listening.address()]);
        let genesis = devnet.genesis().clone();
        let nodes = vec![listening.id(), honest];
        let follower = Follower::new(genesis, transport.clone(), nodes).unwrap();
        let _following = follower.follow();
        reach(&*follower, paid.height.after(3)).await;

        assert!(liar.told.load(Ordering::SeqCst) > 0, "{name}");
        let seen = follower.block(paid.height).await.unwrap().unwrap();
        let true_block = chain.block(paid.height).await.unwrap().unwrap();
        assert_eq!(seen.head, true_block.head, "{name}");
        let balance = query::account(&*follower.state(), &friend).unwrap().balance;
        assert_eq!(balance, Amount::tokens(5), "{name}");
        follower.caught_up().await;
        transport.close().await;
        listening.close().await;
    }
    devnet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_another_genesis_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan {
        storage: 0,
        providers: 0,
        auditors: 0,
        ..Plan::default()
    };
    let options = DevnetOptions {
        runner: Box::new(|_| Box::new(InProcess::new(Box::new(Registry)))),
        on_report: Arc::new(|_, _, _| {}),
    };
    let devnet = Devnet::start(dir.path(), &plan, options).await.unwrap();
    let (_, validator) = devnet.nodes().next().unwrap();
    let services = validator.services().clone();
    reach(&*services.chain, Height(2)).await;

    let other = tempfile::tempdir().unwrap();
    let genesis = assay_node::devnet::lay_out(other.path(), &plan).unwrap();
    let transport = bind(90, Protocols::default()).await;
    transport
        .book()
        .set(validator.account(), [services.transport.address()]);
    let follower = Follower::new(genesis, transport, vec![validator.account()]).unwrap();
    let _following = follower.follow();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(follower.head().height, Height(0));
    let proof = follower.prove(vec![b'c']).await;
    assert!(
        matches!(proof, Err(ChainError::Local(_))),
        "nothing certified, nothing proved"
    );
    devnet.stop().await;
}
