//! Strangers that are slow on purpose, and web pages that are not ours.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::tests::Served;

/// Sockets that this process may still open, with some to spare for other tests.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    soft.unwrap_or(1_024usize).saturating_sub(600).max(300)
}

async fn connect(served: &Served) -> TcpStream {
    let address = served.base.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// Sends raw bytes and reads the answer to its end.
async fn answer(served: &Served, request: &str) -> String {
    let mut stream = connect(served).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Bodies that come a byte at a time, and heads that never end: more than there are slots, and
/// more than there may be connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trickling_bodies_and_half_heads_leave_the_api_answering() {
    let served = Served::start().await;
    let mut trickling = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let mut stream = connect(&served).await;
        let head = "POST /v1/tx HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        trickling.spawn(async move {
            while stream.write_all(b"{").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    let began = Instant::now();
    let (status, _) = served.get("/v1/status").await;
    println!(
        "beside 64 trickling bodies: answered in {:?}",
        began.elapsed()
    );
    assert_eq!(status, 200);

    let count = descriptors().min(3_000);
    let mut half = Vec::with_capacity(count);
    let mut slowest = Duration::ZERO;
    for n in 0..count {
        let mut stream = connect(&served).await;
        let _closed_already = stream
            .write_all(b"GET /v1/status HTTP/1.1\r\nHost: lo")
            .await;
        half.push(stream);
        if n % 250 == 249 {
            let began = Instant::now();
            let (status, _) = served.get("/v1/status").await;
            slowest = slowest.max(began.elapsed());
            assert_eq!(status, 200, "beside {n} half heads");
        }
    }
    println!("beside {count} half heads: answered in {slowest:?} at most");
    assert_eq!(served.get("/v1/network").await.0, 200);
}

/// A connection is closed when its head does not come, and not before its answer is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_request_is_answered_on_a_connection_of_its_own() {
    let served = Served::start().await;
    let request = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(answer(&served, request).await.starts_with("HTTP/1.1 200"));
    // Two on one connection, one after the other.
    let twice = format!("{}{request}", request.replace("close", "keep-alive"));
    assert_eq!(
        answer(&served, &twice)
            .await
            .matches("HTTP/1.1 200")
            .count(),
        2
    );
    // A body in pieces without a length is read and bounded like any other.
    let chunked = "POST /v1/tx HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n";
    assert!(answer(&served, chunked).await.contains("not a submission"));
}

/// Whoever is refused before all was sent finishes sending, and then reads why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_reach_those_who_are_still_sending() {
    let served = Served::start().await;
    let long = 4 << 20;
    let body = "x".repeat(long);
    let announced = format!("Content-Length: {long}\r\n\r\n{body}");
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{long:x}\r\n{body}\r\n0\r\n\r\n");
    let own = "POST /v1/tx HTTP/1.1\r\nHost: localhost\r\n";
    let foreign = "POST /v1/tx HTTP/1.1\r\nHost: evil.example\r\n";
    for (request, status, says) in [
        (format!("{own}{announced}"), 413, "too long"),
        (format!("{own}{chunked}"), 413, "too long"),
        (format!("{foreign}{announced}"), 421, "http_names"),
        (
            format!("GET /v1/status HTTP/1.1\r\nX: {body}\r\n\r\n"),
            431,
            "",
        ),
        (format!("no request\r\n\r\n{body}"), 400, ""),
    ] {
        let read = answer(&served, &request).await;
        assert!(read.starts_with(&format!("HTTP/1.1 {status} ")), "{read}");
        assert!(read.contains(says), "{says:?} is not in {read}");
    }
}

/// What a browser sends for a page elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_pages_cannot_drive_the_node() {
    let served = Served::start().await;
    let here = served.base.strip_prefix("http://").unwrap().to_owned();
    let send = |host: &str, origin: &str| {
        format!(
            "POST /v1/tx HTTP/1.1\r\nHost: {host}\r\n{origin}Connection: close\r\nContent-Length: 2\r\n\r\n[]"
        )
    };
    // A name that was made to resolve to this machine.
    let rebound = answer(&served, &send("evil.example:8100", "")).await;
    assert!(rebound.starts_with("HTTP/1.1 421"), "{rebound}");
    assert!(rebound.contains("http_names"), "{rebound}");
    // A form on a page elsewhere.
    let foreign = answer(&served, &send(&here, "Origin: https://evil.example\r\n")).await;
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    // The same from its own page, and from a program.
    for origin in [format!("Origin: http://{here}\r\n"), String::new()] {
        let own = answer(&served, &send(&here, &origin)).await;
        assert!(own.contains("not a submission"), "{own}");
    }
    // No answer allows another origin to read it.
    let get = format!("GET /v1/status HTTP/1.1\r\nHost: {here}\r\nConnection: close\r\n\r\n");
    let read = answer(&served, &get).await.to_ascii_lowercase();
    assert!(
        read.starts_with("http/1.1 200") && !read.contains("access-control"),
        "{read}"
    );
}
