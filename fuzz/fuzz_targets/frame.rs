//! Frames on a stream: never more than the limit, and the same frame when written again.
#![no_main]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use assay_node::transport::frame;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 10;

fn seeds() -> Vec<Vec<u8>> {
    let frame = |body: &[u8]| [&(body.len() as u32).to_le_bytes()[..], body].concat();
    vec![
        frame(b""),
        frame(b"body"),
        frame(&[7; LIMIT]),
        frame(&[7; LIMIT + 1]),
    ]
}

/// The result of a future over memory, which is always ready.
fn now<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for bytes that are there"),
    }
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let mut stream = data;
    let Ok(body) = now(frame::read(&mut stream, LIMIT)) else {
        return;
    };
    assert!(body.len() <= LIMIT);
    let mut written = Vec::new();
    now(frame::write(&mut written, &body, LIMIT)).expect("it was short enough to read");
    written.extend_from_slice(stream);
    assert!(written == data, "another frame, or bytes lost behind it");
});
