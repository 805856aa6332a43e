use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use assay_crypto::Digest;
use assay_ledger::{Height, TxId};
use assay_vault::{Piece, wire as vault};

use super::*;

/// Answers like a node with one block and a memory of what it was asked to keep.
#[derive(Default)]
struct Echo {
    served: AtomicUsize,
}

impl Handler for Echo {
    fn handle(&self, peer: PublicKey, request: Request) -> BoxFuture<'_, Response> {
        self.served.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match request {
                Request::SubmitTx { transaction } => Response::Submitted {
                    tx: TxId(Digest::of("assay/test/v1", &[&transaction])),
                },
                Request::Vault(vault::Request::Put { piece, .. }) => {
                    Response::Vault(vault::Response::Piece { piece })
                }
                Request::Prove { key } => Response::Proof(ValueProof {
                    value: None,
                    proof: key,
                    header: peer.0.to_vec(),
                }),
                Request::Head => {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    Response::Head { header: None }
                }
                _ => Response::refused(Refusal::NotServed, "only echoes live here"),
            }
        })
    }
}

/// A request that carries a slice of this many bytes.
fn put(length: usize) -> Request {
    let piece = Piece::new(vec![7; length]).unwrap();
    let digest = piece.digest();
    Request::Vault(vault::Request::Put { digest, piece })
}

fn limits() -> Limits {
    Limits {
        connect_timeout: Duration::from_secs(2),
        ..Limits::default()
    }
}

async fn node(seed: u8, standing: Standing, limits: Limits) -> (Transport, Arc<Echo>) {
    let echo = Arc::new(Echo::default());
    let key = SecretKey::from_seed([seed; 32]);
    let access = Arc::new(move |_: &PublicKey| standing);
    let listen = "127.0.0.1:0".parse().unwrap();
    let transport = Transport::bind(&key, listen, limits, access, echo.clone())
        .await
        .unwrap();
    (transport, echo)
}

async fn pair(standing: Standing) -> (Transport, Transport, Arc<Echo>) {
    let (server, echo) = node(1, standing, limits()).await;
    let (client, _) = node(2, standing, limits()).await;
    client.book().set(server.id(), [server.address()]);
    (client, server, echo)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_over_one_kept_connection() {
    let (client, server, echo) = pair(Standing::Registered).await;
    let slice = put(4 << 20);
    let Request::Vault(vault::Request::Put { piece, .. }) = slice.clone() else {
        unreachable!()
    };
    assert_eq!(
        client.request(server.id(), &slice).await.unwrap(),
        Response::Vault(vault::Response::Piece { piece })
    );

    let prove = Request::Prove { key: b"k".to_vec() };
    let many = (0..50).map(|_| client.request(server.id(), &prove));
    let mut answers = Vec::new();
    for request in many {
        answers.push(request.await.unwrap());
    }
    let expected = Response::Proof(ValueProof {
        value: None,
        proof: b"k".to_vec(),
        header: client.id().0.to_vec(),
    });
    assert!(
        answers.iter().all(|a| *a == expected),
        "the asking key is proved to the handler"
    );
    assert_eq!(echo.served.load(Ordering::SeqCst), 51);
    assert_eq!(server.server.open_connections(), 1);

    // A node asks itself without a socket.
    let own = server.request(server.id(), &prove).await.unwrap();
    assert!(matches!(own, Response::Proof(proof) if proof.header == server.id().0));
    client.close().await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_read_and_submit_but_do_not_store() {
    let (client, server, echo) = pair(Standing::Stranger).await;
    let submit = Request::SubmitTx {
        transaction: vec![1; 64 << 10],
    };
    client.request(server.id(), &submit).await.unwrap();

    let small = put(10);
    let error = client.request(server.id(), &small).await.unwrap_err();
    let RequestError::Refused {
        refusal: Refusal::NotAllowed,
        reason,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert!(reason.contains("fund account"), "{reason}");

    let large = put(4 << 20);
    let error = client.request(server.id(), &large).await.unwrap_err();
    let RequestError::Refused {
        refusal: Refusal::Invalid,
        reason,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert!(reason.contains("at most 98304 are accepted"), "{reason}");
    assert_eq!(
        echo.served.load(Ordering::SeqCst),
        1,
        "refused requests never reach the handler"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_message_is_refused_on_both_sides() {
    let (client, server, _) = pair(Standing::Registered).await;
    let huge = Request::SubmitTx {
        transaction: vec![0; frame::MAX_FRAME],
    };
    let error = client.request(server.id(), &huge).await.unwrap_err();
    let RequestError::Frame {
        source: frame::FrameError::TooLarge { .. },
        ..
    } = error
    else {
        panic!("{error}");
    };

    // A client that does not check itself is stopped by the server.
    let id = iroh::PublicKey::from_bytes(&server.id().0).unwrap();
    let target = iroh::EndpointAddr::new(id).with_ip_addr(server.address());
    let connection = client.endpoint.connect(target, ALPN).await.unwrap();
    for bad in [&u32::MAX.to_le_bytes()[..], &[3, 0, 0, 0, 0xff, 0xff, 0xff]] {
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(bad).await.unwrap();
        let answer = frame::read(&mut recv, frame::MAX_FRAME).await.unwrap();
        let answer = Response::decode(&answer).unwrap();
        assert!(
            matches!(
                answer,
                Response::Refused {
                    refusal: Refusal::Invalid,
                    ..
                }
            ),
            "{answer:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_another_key_or_none_is_unreachable() {
    let (client, server, echo) = pair(Standing::Registered).await;
    let (elsewhere, nobody) = (SecretKey::from_seed([8; 32]).public(), "127.0.0.1:9");
    client.book().set(elsewhere, [server.address()]);
    let error = client.request(elsewhere, &Request::Head).await.unwrap_err();
    assert!(matches!(error, RequestError::Unreachable { .. }), "{error}");

    client.book().set(elsewhere, [nobody.parse().unwrap()]);
    let error = client
        .request(elsewhere, &Request::Head)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("unreachable at udp 127.0.0.1:9"), "{error}");
    assert!(error.contains("check that it runs"), "{error}");
    assert!(error.contains(&elsewhere.to_string()), "{error}");

    client.book().set(elsewhere, []);
    let error = client.request(elsewhere, &Request::Head).await.unwrap_err();
    assert!(matches!(error, RequestError::NoAddress { .. }), "{error}");
    assert_eq!(echo.served.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_answer_times_out_and_the_connection_survives() {
    let short = Limits {
        request_timeout: Duration::from_millis(300),
        ..limits()
    };
    let (server, _) = node(1, Standing::Registered, limits()).await;
    let (client, _) = node(2, Standing::Registered, short).await;
    client.book().set(server.id(), [server.address()]);
    let started = Instant::now();
    let error = client
        .request(server.id(), &Request::Head)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            RequestError::Timeout {
                request: "head",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.is_transient() && started.elapsed() < Duration::from_secs(5));
    let submit = Request::SubmitTx {
        transaction: vec![1],
    };
    client.request(server.id(), &submit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_peer_is_dialled_again() {
    let (client, server, _) = pair(Standing::Registered).await;
    let submit = Request::SubmitTx {
        transaction: vec![1],
    };
    client.request(server.id(), &submit).await.unwrap();
    server.close().await;
    let (restarted, echo) = node(1, Standing::Registered, limits()).await;
    client.book().set(restarted.id(), [restarted.address()]);
    client.request(restarted.id(), &submit).await.unwrap();
    assert_eq!(echo.served.load(Ordering::SeqCst), 1);
}

#[test]
fn the_wire_format_is_frozen() {
    let head = borsh::to_vec(&Request::Blocks { first: Height(5) }).unwrap();
    assert_eq!(hex::encode(head), "020500000000000000");
    let refused = Response::refused(Refusal::Busy, "full");
    assert_eq!(
        hex::encode(borsh::to_vec(&refused).unwrap()),
        "070504000000 66756c6c".replace(' ', "")
    );
    let opened = Response::Split {
        agreed: Digest([1; 32]),
    };
    let expected = format!("08{}", "01".repeat(32));
    assert_eq!(hex::encode(borsh::to_vec(&opened).unwrap()), expected);
    assert!(Request::decode(&[2, 5, 0]).is_err());
    assert!(
        Request::decode(&[1, 0]).is_err(),
        "trailing bytes are refused"
    );
    let long = Response::refused(Refusal::Failed, "\u{e9}".repeat(5000));
    assert!(matches!(long, Response::Refused { reason, .. } if reason.len() == 1024));
}
