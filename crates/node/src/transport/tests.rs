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
                Request::Blocks { .. } => {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    Response::Head { header: None }
                }
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

/// A raw connection, on which anything can be sent.
async fn raw(client: &Transport, server: &Transport) -> iroh::endpoint::Connection {
    let id = iroh::PublicKey::from_bytes(&server.id().0).unwrap();
    let target = iroh::EndpointAddr::new(id).with_ip_addr(server.address());
    client.endpoint.connect(target, ALPN).await.unwrap()
}

fn submit() -> Request {
    Request::SubmitTx {
        transaction: vec![1],
    }
}

/// One peer begins as many requests as it may, and finishes none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_requests_of_one_peer_do_not_silence_a_node_for_another() {
    for standing in [Standing::Stranger, Standing::Registered, Standing::Member] {
        let (server, _) = node(1, standing, limits()).await;
        let (hostile, _) = node(2, standing, limits()).await;
        let (honest, _) = node(3, standing, limits()).await;
        honest.book().set(server.id(), [server.address()]);
        let (mut connections, mut held) = (Vec::new(), Vec::new());
        for _ in 0..limits().connections_per_peer {
            let connection = raw(&hostile, &server).await;
            for n in 0..limits().requests_per_connection {
                let (mut send, recv) = connection.open_bi().await.unwrap();
                // Half a length, a length alone, or half a body.
                let half: &[u8] = match n % 3 {
                    0 => &[9],
                    1 => &[0, 1, 0, 0],
                    _ => &[0, 1, 0, 0, 7, 7, 7],
                };
                send.write_all(half).await.unwrap();
                held.push((send, recv));
            }
            connections.push(connection);
        }
        for _ in 0..20 {
            honest.request(server.id(), &submit()).await.unwrap();
        }
        hostile.close().await;
        server.close().await;
    }
}

/// Large messages that never come hold room, but only their sender's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promised_bytes_hold_only_the_share_of_who_promised_them() {
    let (server, _) = node(1, Standing::Registered, limits()).await;
    let (hostile, _) = node(2, Standing::Registered, limits()).await;
    let (honest, _) = node(3, Standing::Registered, limits()).await;
    honest.book().set(server.id(), [server.address()]);
    let connection = raw(&hostile, &server).await;
    let mut held = Vec::new();
    for _ in 0..limits().requests_per_connection {
        let (mut send, recv) = connection.open_bi().await.unwrap();
        send.write_all(&(4u32 << 20).to_le_bytes()).await.unwrap();
        held.push((send, recv));
    }
    for _ in 0..3 {
        honest.request(server.id(), &put(4 << 20)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_too_slowly_is_given_up() {
    let strict = Limits {
        head_timeout: Duration::from_millis(200),
        slowest: 64 << 20,
        ..limits()
    };
    let (server, echo) = node(1, Standing::Registered, strict).await;
    let (client, _) = node(2, Standing::Registered, limits()).await;
    let connection = raw(&client, &server).await;
    for half in [&[9][..], &[0, 0, 1, 0, 7, 7]] {
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(half).await.unwrap();
        // The server ends the stream without an answer.
        frame::read(&mut recv, frame::MAX_FRAME).await.unwrap_err();
    }
    assert_eq!(echo.served.load(Ordering::SeqCst), 0);
    client.book().set(server.id(), [server.address()]);
    client.request(server.id(), &submit()).await.unwrap();
}

/// More followers than slots wait for a block, and everybody else is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_blocks_keep_no_slot() {
    let few = Limits {
        stranger_requests: 2,
        polls: 6,
        polls_per_peer: 5,
        ..limits()
    };
    let (server, echo) = node(1, Standing::Stranger, few).await;
    let (follower, _) = node(2, Standing::Stranger, limits()).await;
    let (other, _) = node(3, Standing::Stranger, limits()).await;
    for client in [&follower, &other] {
        client.book().set(server.id(), [server.address()]);
    }
    let poll = Request::Blocks { first: Height(9) };
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let (follower, poll, id) = (follower.clone(), poll.clone(), server.id());
        waiting.spawn(async move { follower.request(id, &poll).await });
    }
    while echo.served.load(Ordering::SeqCst) < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    other.request(server.id(), &submit()).await.unwrap();
    follower.request(server.id(), &submit()).await.unwrap();
    // One peer has only so many, whatever is left for others.
    let error = follower.request(server.id(), &poll).await.unwrap_err();
    assert!(error.to_string().contains("wait for blocks"), "{error}");
    let (last, id) = (other.clone(), server.id());
    let request = poll.clone();
    waiting.spawn(async move { last.request(id, &request).await });
    while echo.served.load(Ordering::SeqCst) < 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = other.request(server.id(), &poll).await.unwrap_err();
    assert!(error.to_string().contains("wait for blocks"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_peer_has_only_so_many_connections() {
    let (server, _) = node(1, Standing::Member, limits()).await;
    let (greedy, _) = node(2, Standing::Member, limits()).await;
    let (other, _) = node(3, Standing::Member, limits()).await;
    other.book().set(server.id(), [server.address()]);
    let mut held = Vec::new();
    for _ in 0..limits().connections_per_peer {
        held.push(raw(&greedy, &server).await);
    }
    while server.server.open_connections() < limits().connections_per_peer {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let more = raw(&greedy, &server).await;
    let reason = more.closed().await.to_string();
    assert!(reason.contains("busy"), "{reason}");
    other.request(server.id(), &submit()).await.unwrap();
    // A connection that ends makes room for another.
    held.pop().unwrap().close(0u32.into(), b"");
    loop {
        let again = raw(&greedy, &server).await;
        if let Ok((mut send, mut recv)) = again.open_bi().await {
            let body = borsh::to_vec(&submit()).unwrap();
            let sent = frame::write(&mut send, &body, frame::MAX_FRAME).await;
            if sent.is_ok() && frame::read(&mut recv, frame::MAX_FRAME).await.is_ok() {
                break;
            }
        }
    }
}

/// Who has a micro-token shares with all who have one; members have slots of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_served_while_accounts_crowd() {
    let member = SecretKey::from_seed([3; 32]).public();
    let few = Limits {
        registered_requests: 2,
        ..limits()
    };
    let echo = Arc::new(Echo::default());
    let access = Arc::new(move |peer: &PublicKey| match *peer == member {
        true => Standing::Member,
        false => Standing::Registered,
    });
    let key = SecretKey::from_seed([1; 32]);
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = Transport::bind(&key, listen, few, access, echo.clone())
        .await
        .unwrap();
    let (crowd, _) = node(2, Standing::Registered, limits()).await;
    let (bonded, _) = node(3, Standing::Registered, limits()).await;
    let mut waiting = tokio::task::JoinSet::new();
    for client in [&crowd, &bonded] {
        client.book().set(server.id(), [server.address()]);
    }
    for _ in 0..4 {
        let (crowd, id) = (crowd.clone(), server.id());
        waiting.spawn(async move { crowd.request(id, &Request::Head).await });
    }
    while echo.served.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bonded.request(server.id(), &submit()).await.unwrap();
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
