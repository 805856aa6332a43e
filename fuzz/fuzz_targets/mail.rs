//! Mail between machines and the journals of mailboxes: one encoding, and a mailbox that takes the
//! right letter after any other bytes. The first byte picks mail or entry.
#![no_main]

use assay_crypto::{Digest, SecretKey};
use assay_fuzz::canonical;
use assay_machine::mailbox::{Limits, Packet, Refused};
use assay_machine::{Mailbox, Millis, Output, Protocol};
use libfuzzer_sys::fuzz_target;

enum Mute {}

impl Protocol for Mute {
    type View = ();
    type Tag = ();
    type Ask = ();
    type Answer = ();
    type Report = ();
    type End = ();
}

const NOW: Millis = Millis(1);

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn limits() -> Limits {
    Limits {
        letter_bytes: 256,
        statement_every: 1,
        ..Limits::default()
    }
}

fn mailbox(me: u8, peer: u8) -> Mailbox {
    let subject = Digest([7; 32]);
    let mut made = Mailbox::new(key(me), subject, [key(peer).public()], limits());
    made.seeded([me; 32]);
    made
}

/// What a first letter makes its sender write down and send.
fn letter() -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut sender = mailbox(1, 2);
    let posted = sender.post(key(2).public(), b"a letter".to_vec());
    posted.expect("room for one");
    let (mut journal, mut mail) = (Vec::new(), Vec::new());
    for output in sender.commit::<Mute>(NOW) {
        match output {
            Output::Journal(entry) => journal.push(entry),
            Output::Send { bytes, .. } => mail = bytes,
            _ => {}
        }
    }
    (journal, mail)
}

fn seeds() -> Vec<Vec<u8>> {
    let (journal, mail) = letter();
    let entries = journal.into_iter().map(|entry| [vec![1], entry].concat());
    entries.chain([[vec![0], mail].concat()]).collect()
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else {
        return;
    };
    let (journal, mail) = letter();
    match which {
        0 => {
            canonical(bytes, |bytes| Packet::decode(bytes, 256), Packet::encode);
            let mut receiver = mailbox(2, 1);
            let from = key(1).public();
            let given = receiver.receive(NOW, from, bytes);
            receiver.commit::<Mute>(NOW);
            match receiver.receive(NOW, from, &mail) {
                Ok(received) => assert_eq!(received.letter.as_deref(), Some(&b"a letter"[..])),
                // Only the letter itself can have come before.
                Err(Refused::Replayed { .. }) => {
                    assert!(given.is_ok_and(|given| given.letter.is_some()));
                }
                Err(refused) => panic!("{refused}"),
            }
        }
        1 => {
            let mut made = mailbox(1, 2);
            // Alone, and behind an opening.
            let _ = made.recover(bytes);
            let mut made = mailbox(1, 2);
            made.recover(&journal[0]).expect("the opening");
            if let Ok(step) = made.recover(bytes) {
                assert!(step.is_some());
                assert_eq!(made.checkpoint().steps, 1);
            }
        }
        _ => {}
    }
});
