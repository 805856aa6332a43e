use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use assay_crypto::{PublicKey, SecretKey};
use borsh::{BorshDeserialize, BorshSerialize};

use super::*;

/// A protocol that is about nothing.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
enum Ask {
    Echo(Vec<u8>),
    Keep(Vec<u8>),
    Think,
    Wait,
}

impl Question for Ask {
    const PROTOCOL: &'static str = "test/1";
    /// What was said, and who said it.
    type Answer = (Vec<u8>, [u8; 32]);

    fn name(&self) -> &'static str {
        match self {
            Self::Echo(_) => "echo",
            Self::Keep(_) => "keep",
            Self::Think => "think",
            Self::Wait => "wait",
        }
    }

    fn manner(&self) -> Manner {
        match self {
            Self::Echo(_) | Self::Think => Manner::Plain,
            Self::Keep(_) => Manner::ForAccounts,
            Self::Wait => Manner::Waits,
        }
    }
}

#[derive(Default)]
struct Echo {
    served: AtomicUsize,
}

impl Handler<Ask> for Echo {
    fn handle(
        &self,
        peer: PublicKey,
        request: Ask,
    ) -> BoxFuture<'_, Result<<Ask as Question>::Answer, Refused>> {
        self.served.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match request {
                Ask::Echo(said) | Ask::Keep(said) => Ok((said, peer.0)),
                Ask::Think | Ask::Wait => {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    Err(Refused::new(Refusal::Failed, "nobody waits so long"))
                }
            }
        })
    }
}

/// A request that carries so many bytes.
fn put(length: usize) -> Ask {
    Ask::Keep(vec![7; length])
}

fn limits() -> Limits {
    Limits {
        connect_timeout: Duration::from_secs(2),
        ..Limits::default()
    }
}

fn answers(echo: &Arc<Echo>) -> Protocols {
    Protocols::default().answering::<Ask>(echo.clone())
}

async fn node(seed: u8, standing: Standing, limits: Limits) -> (Transport, Arc<Echo>) {
    let echo = Arc::new(Echo::default());
    let key = SecretKey::from_seed([seed; 32]);
    let access = Arc::new(move |_: &PublicKey| standing);
    let listen = "127.0.0.1:0".parse().unwrap();
    let transport = Transport::bind(&key, listen, limits, access, answers(&echo))
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
    let (said, who) = client.request(server.id(), &put(4 << 20)).await.unwrap();
    assert_eq!((said.len(), who), (4 << 20, client.id().0));
    let mut answers = Vec::new();
    for _ in 0..50 {
        let echo = Ask::Echo(b"k".to_vec());
        answers.push(client.request(server.id(), &echo).await.unwrap());
    }
    let expected = (b"k".to_vec(), client.id().0);
    assert!(
        answers.iter().all(|a| *a == expected),
        "the asking key is proved to the handler"
    );
    assert_eq!(echo.served.load(Ordering::SeqCst), 51);
    assert_eq!(server.server.open_connections(), 1);

    // A node asks itself without a socket.
    let own = server.request(server.id(), &Ask::Echo(vec![])).await;
    assert_eq!(own.unwrap().1, server.id().0);
    client.close().await;
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_read_and_submit_but_do_not_store() {
    let (client, server, echo) = pair(Standing::Stranger).await;
    let submit = Ask::Echo(vec![1; 64 << 10]);
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
    let huge = Ask::Echo(vec![0; frame::MAX_FRAME]);
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
        let refused = read_answer::<Ask>(&answer).unwrap().unwrap_err();
        assert_eq!(refused.refusal, Refusal::Invalid, "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_another_key_or_none_is_unreachable() {
    let (client, server, echo) = pair(Standing::Registered).await;
    let (elsewhere, nobody) = (SecretKey::from_seed([8; 32]).public(), "127.0.0.1:9");
    client.book().set(elsewhere, [server.address()]);
    let error = client.request(elsewhere, &Ask::Think).await.unwrap_err();
    assert!(matches!(error, RequestError::Unreachable { .. }), "{error}");

    client.book().set(elsewhere, [nobody.parse().unwrap()]);
    let error = client
        .request(elsewhere, &Ask::Think)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("unreachable at udp 127.0.0.1:9"), "{error}");
    assert!(error.contains("check that it runs"), "{error}");
    assert!(error.contains(&elsewhere.to_string()), "{error}");

    client.book().set(elsewhere, []);
    let error = client.request(elsewhere, &Ask::Think).await.unwrap_err();
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
    let error = client.request(server.id(), &Ask::Think).await.unwrap_err();
    assert!(
        matches!(
            error,
            RequestError::Timeout {
                request: "think",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.is_transient() && started.elapsed() < Duration::from_secs(5));
    let submit = submit();
    client.request(server.id(), &submit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_peer_is_dialled_again() {
    let (client, server, _) = pair(Standing::Registered).await;
    let submit = submit();
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

fn submit() -> Ask {
    Ask::Echo(vec![1])
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
    let poll = Ask::Wait;
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
            let body = request_bytes(&submit()).unwrap();
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
    let server = Transport::bind(&key, listen, few, access, answers(&echo))
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
        waiting.spawn(async move { crowd.request(id, &Ask::Think).await });
    }
    while echo.served.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bonded.request(server.id(), &submit()).await.unwrap();
}

/// Whoever speaks something else learns what is spoken here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_protocol_is_refused_by_name() {
    #[derive(Debug, BorshSerialize, BorshDeserialize)]
    struct Foreign;
    impl Question for Foreign {
        const PROTOCOL: &'static str = "test/2";
        type Answer = ();
        fn name(&self) -> &'static str {
            "foreign"
        }
    }
    let (client, server, echo) = pair(Standing::Member).await;
    let error = client.request(server.id(), &Foreign).await.unwrap_err();
    let RequestError::Refused {
        refusal: Refusal::NotServed,
        reason,
        request: "foreign",
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(reason, "this node answers test/1 only");
    assert_eq!(echo.served.load(Ordering::SeqCst), 0);
}

/// Nothing that is cut, too long or of another protocol is read as a request.
#[test]
fn foreign_bytes_are_refused_with_a_reason() {
    let answers = answers(&Arc::default());
    let whole = request_bytes(&submit()).unwrap();
    assert_eq!(answers.read(&whole).unwrap().name, "echo");
    for cut in 0..whole.len() {
        let refused = answers.read(&whole[..cut]).err().unwrap();
        assert!(!refused.reason.is_empty());
    }
    let longer = [&whole[..], &[0]].concat();
    let refused = answers.read(&longer).err().unwrap();
    assert_eq!(refused.refusal, Refusal::Invalid);
    assert!(refused.reason.contains("`test/1`"), "{}", refused.reason);
    let unnamed = answers.read(b"\x03\xff\xfe\xfd").err().unwrap();
    assert_eq!(unnamed.refusal, Refusal::Invalid);

    assert!(read_answer::<Ask>(&[]).is_err());
    assert!(read_answer::<Ask>(&[2]).is_err());
    let talkative = Refused {
        refusal: Refusal::Busy,
        reason: "x".repeat(1025),
    };
    let bytes = question::answer_bytes(&Err(talkative));
    assert!(read_answer::<Ask>(&bytes).is_err());
}

#[test]
fn the_wire_format_is_frozen() {
    let request = request_bytes(&Ask::Echo(vec![5])).unwrap();
    assert_eq!(request, b"\x06test/1\x00\x01\x00\x00\x00\x05");
    let refused = Refused::new(Refusal::Busy, "full");
    let bytes = question::answer_bytes(&Err(refused.clone()));
    assert_eq!(bytes, b"\x01\x05\x04\x00\x00\x00full");
    assert_eq!(read_answer::<Ask>(&bytes).unwrap(), Err(refused));
    let answer = (vec![5u8], [1u8; 32]);
    let bytes = question::answer_bytes(&Ok(borsh::to_vec(&answer).unwrap()));
    let expected = format!("000100000005{}", "01".repeat(32));
    assert_eq!(hex::encode(&bytes), expected);
    assert_eq!(read_answer::<Ask>(&bytes).unwrap(), Ok(answer));
    let long = Refused::new(Refusal::Failed, "\u{e9}".repeat(5000));
    assert_eq!(long.reason.len(), 1024);
}
