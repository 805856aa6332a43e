//! The ends of a session as machines: silence, strangers, lost links, last words.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use assay_crypto::PublicKey;
use assay_data::Batch;
use assay_machine::{Context, Input, Machine, Millis, Output, Protocol};
use assay_split::session::{
    Answering, Closing, Last, Leading, Link, Moves, Served, Serving, StepEnd, Stepping, Why,
};
use assay_split::{MessageError, Outcome, StepError};

const PEERS: [PublicKey; 2] = [PublicKey([1; 32]), PublicKey([2; 32])];
const STRANGER: PublicKey = PublicKey([3; 32]);
const PATIENCE: u64 = 1_000;

/// Gives back what it is given; refuses what is empty.
struct Echo;

impl Answering for Echo {
    fn answer(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, StepError> {
        match bytes {
            [] => Err(MessageError::NotAMessage.into()),
            bytes => Ok(vec![bytes.to_vec()]),
        }
    }
}

/// Asks both providers and is finished when both have answered.
#[derive(Default)]
struct Asker {
    answered: Vec<usize>,
    told_of_faults: bool,
}

impl Leading for Asker {
    fn begin(&mut self, _: &Batch, _: f32) -> Result<Moves, StepError> {
        Ok(Moves {
            messages: vec![(0, vec![7]), (1, vec![8])],
            outcome: None,
        })
    }

    fn take(&mut self, which: usize, bytes: &[u8]) -> Result<Moves, StepError> {
        if bytes != [which as u8 + 7] {
            return Err(MessageError::NotAMessage.into());
        }
        self.answered.push(which);
        let finished = self.answered.len() == 2;
        Ok(Moves {
            messages: Vec::new(),
            outcome: finished.then(|| Outcome::Logits(vec![1.0])),
        })
    }

    fn is_told_of_faults(&self) -> bool {
        self.told_of_faults
    }
}

/// What came of an input: what was sent, when to wake, the end.
struct Did<P: Protocol> {
    sent: Vec<(PublicKey, Vec<u8>)>,
    wake: Option<Millis>,
    end: Option<P::End>,
}

fn give<M>(machine: &mut M, now: u64, link: &Link, input: Input<M::Protocol>) -> Did<M::Protocol>
where
    M: Machine,
    M::Protocol: Protocol<View = Link>,
{
    let at = Context {
        now: Millis(now),
        view: link,
    };
    let mut did = Did {
        sent: Vec::new(),
        wake: None,
        end: None,
    };
    for output in machine.step(&at, input) {
        assert!(did.end.is_none(), "nothing follows the end");
        match output {
            Output::Send { to, bytes } => did.sent.push((to, bytes)),
            Output::WakeAt(at) => did.wake = Some(at),
            Output::End(end) => did.end = Some(end),
            _ => panic!("it only sends"),
        }
    }
    did
}

fn from<P: Protocol>(from: PublicKey, bytes: &[u8]) -> Input<P> {
    let bytes = bytes.to_vec();
    Input::Message { from, bytes }
}

fn served(messages: u64, last: Option<Last>) -> Option<Served> {
    Some(Served { messages, last })
}

#[test]
fn a_provider_answers_its_requester_and_nobody_else_as_often_as_agreed() {
    let mut serving = Serving::new(Echo, PEERS[0], 2, PATIENCE);
    let did = give(&mut serving, 0, &Link::Up, Input::News);
    assert_eq!((did.wake, did.sent.len()), (Some(Millis(PATIENCE)), 0));
    let did = give(&mut serving, 1, &Link::Up, from(STRANGER, b"x"));
    assert!(did.sent.is_empty() && did.end.is_none());
    for now in [2, 3] {
        let did = give(&mut serving, now, &Link::Up, from(PEERS[0], b"x"));
        assert_eq!(did.sent, [(PEERS[0], b"x".to_vec())]);
        assert_eq!(did.wake, Some(Millis(now + PATIENCE)));
    }
    let did = give(&mut serving, 4, &Link::Up, from(PEERS[0], b"x"));
    let closing = Closing::decode(&did.sent[0].1).unwrap();
    assert_eq!(closing.why, Why::Refused);
    assert!(closing.text.contains("every step that was agreed on"));
    assert_eq!(did.end, served(2, Some(Last::Ours(closing))));
    let did = give(&mut serving, 5, &Link::Up, from(PEERS[0], b"x"));
    assert!(did.sent.is_empty() && did.end.is_none());
}

#[test]
fn silence_ends_a_session_but_not_the_time_that_its_own_work_took() {
    let begin = || {
        let mut serving = Serving::new(Echo, PEERS[0], 9, PATIENCE);
        give(&mut serving, 0, &Link::Up, Input::News);
        serving
    };
    let mut serving = begin();
    let did = give(&mut serving, PATIENCE + 3, &Link::Up, Input::Wake);
    let closing = Closing::decode(&did.sent[0].1).unwrap();
    assert_eq!(closing.why, Why::Silence);
    assert_eq!(did.end, served(0, Some(Last::Ours(closing))));
    // It was at work until long after: the requester had no time yet.
    let mut serving = begin();
    let did = give(&mut serving, 5 * PATIENCE, &Link::Up, Input::Wake);
    assert_eq!(did.wake, Some(Millis(6 * PATIENCE)));
    assert!(did.end.is_none());
    let did = give(&mut serving, 6 * PATIENCE, &Link::Up, Input::Wake);
    assert!(did.end.is_some());
}

#[test]
fn a_session_ends_with_its_link_with_a_refusal_and_with_the_last_words_of_the_other_side() {
    let begin = || Serving::new(Echo, PEERS[0], 9, PATIENCE);
    let did = give(&mut begin(), 0, &Link::Lost(PEERS[0]), Input::News);
    assert_eq!((did.end, did.sent.len()), (served(0, None), 0));
    let long = Link::TooLong(PEERS[0], "9 bytes".to_owned());
    let did = give(&mut begin(), 0, &long, Input::News);
    let closing = Closing::new(Why::Refused, "9 bytes");
    assert_eq!(did.sent, [(PEERS[0], closing.encode())]);
    assert_eq!(did.end, served(0, Some(Last::Ours(closing))));
    let did = give(&mut begin(), 0, &Link::Up, from(PEERS[0], b""));
    let closing = Closing::decode(&did.sent[0].1).unwrap();
    assert_eq!(closing.why, Why::Refused);
    assert_eq!(did.end, served(1, Some(Last::Ours(closing))));
    let words = Closing::new(Why::Done, "thanks").encode();
    let did = give(&mut begin(), 0, &Link::Up, from(PEERS[0], &words));
    let theirs = Some(Last::Theirs("thanks".to_owned()));
    assert_eq!((did.end, did.sent.len()), (served(0, theirs), 0));
}

/// A step of [`Asker`] that has begun, and what then happens to it.
fn stepping(told_of_faults: bool, then: impl FnOnce(&mut Stepping<'_>)) {
    let batch = Batch::padding(1, 1, 0);
    let mut party = Asker {
        told_of_faults,
        ..Asker::default()
    };
    let mut stepping = Stepping::new(&mut party, &PEERS, (&batch, 0.1), PATIENCE);
    let did = give(&mut stepping, 0, &Link::Up, Input::News);
    assert_eq!(did.sent, [(PEERS[0], vec![7]), (PEERS[1], vec![8])]);
    assert_eq!(did.wake, Some(Millis(PATIENCE)));
    let again = give(&mut stepping, 0, &Link::Up, Input::News);
    assert!(again.sent.is_empty(), "a step begins once");
    then(&mut stepping);
}

#[test]
fn a_step_takes_the_answers_of_its_providers_in_any_order_and_ends_with_the_result() {
    stepping(false, |step| {
        let did = give(step, 1, &Link::Up, from(STRANGER, &[7]));
        assert!(did.sent.is_empty() && did.end.is_none());
        assert!(give(step, 2, &Link::Up, from(PEERS[1], &[8])).end.is_none());
        let end = give(step, 3, &Link::Up, from(PEERS[0], &[7])).end;
        assert!(matches!(end, Some(StepEnd::Finished(Outcome::Logits(_)))));
        assert!(give(step, 4, &Link::Up, Input::Wake).end.is_none());
    });
}

#[test]
fn whoever_owes_an_answer_is_the_silent_one() {
    stepping(false, |step| {
        give(step, 500, &Link::Up, from(PEERS[0], &[7]));
        let end = give(step, 500 + PATIENCE, &Link::Up, Input::Wake).end;
        assert!(matches!(end, Some(StepEnd::Silent(peer)) if peer == PEERS[1]));
    });
    stepping(false, |step| {
        let end = give(step, 500, &Link::Lost(PEERS[1]), Input::News).end;
        assert!(matches!(end, Some(StepEnd::Lost(peer)) if peer == PEERS[1]));
    });
}

#[test]
fn a_wrong_answer_and_last_words_end_a_step_and_name_the_provider() {
    stepping(false, |step| {
        let did = give(step, 1, &Link::Up, from(PEERS[1], &[9]));
        let closing = Closing::decode(&did.sent[0].1).unwrap();
        assert_eq!((did.sent[0].0, closing.why), (PEERS[1], Why::Refused));
        assert!(matches!(did.end, Some(StepEnd::Broken(peer, _)) if peer == PEERS[1]));
    });
    for told in [false, true] {
        stepping(told, |step| {
            let words = Closing::new(Why::NotFinite, "no number").encode();
            let end = give(step, 1, &Link::Up, from(PEERS[0], &words))
                .end
                .unwrap();
            match told {
                true => assert!(matches!(end, StepEnd::NotFinite)),
                false => assert!(matches!(end, StepEnd::Closed(peer, _) if peer == PEERS[0])),
            }
        });
    }
    stepping(true, |step| {
        let end = give(step, 1, &Link::Up, from(PEERS[0], b"ASPX")).end;
        assert!(matches!(end, Some(StepEnd::Malformed(peer, _)) if peer == PEERS[0]));
    });
}
