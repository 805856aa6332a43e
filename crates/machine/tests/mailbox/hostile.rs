//! Mail that nobody honest sends, and journals that nobody may go on from.

use assay_crypto::{Digest, PublicKey};
use assay_machine::mailbox::{
    BadJournal, Checkpoint, Condition, ENVELOPE, Equivocation, Limits, Mark, OldJournal, Packet,
    PostError, Refused, STATEMENT, Statement,
};
use assay_machine::{Mailbox, Millis, Output};

use crate::gossip::{Gossip, SUBJECT, key};

const LIMITS: Limits = Limits {
    letter_bytes: 64,
    letters: 8,
    bytes: 256,
    statement_every: 3,
    statement_after_ms: 50,
    resend_ms: 100,
    longest_resend_ms: 1_000,
    silent_ms: 5_000,
};

fn account(n: u8) -> PublicKey {
    key(n).public()
}

fn mailbox(me: u8) -> Mailbox {
    let peers = (0..3).map(account);
    let mut made = Mailbox::new(key(me), SUBJECT, peers, LIMITS);
    made.seeded([me; 32]);
    made
}

fn recovered(me: u8, journal: &[Vec<u8>]) -> Result<Mailbox, BadJournal> {
    let mut made = mailbox(me);
    for entry in journal {
        made.recover(entry)?;
    }
    Ok(made)
}

/// A mailbox with its journal.
struct Owner {
    mail: Mailbox,
    journal: Vec<Vec<u8>>,
    now: Millis,
}

impl Owner {
    fn new(me: u8) -> Self {
        Self {
            mail: mailbox(me),
            journal: Vec::new(),
            now: Millis(1),
        }
    }

    /// Commits; returns what is sent.
    fn commit(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        for output in self.mail.commit::<Gossip>(self.now) {
            match output {
                Output::Journal(entry) => self.journal.push(entry),
                Output::Send { bytes, .. } => sent.push(bytes),
                _ => panic!("it only writes and sends"),
            }
        }
        sent
    }

    fn post(&mut self, to: u8, letter: &[u8]) -> Vec<Vec<u8>> {
        self.mail.post(account(to), letter.to_vec()).unwrap();
        self.commit()
    }

    /// Gives it mail; returns the letter and what is sent.
    fn give(&mut self, from: u8, bytes: &[u8]) -> Result<Option<Vec<u8>>, Refused> {
        let received = self.mail.receive(self.now, account(from), bytes)?;
        Ok(received.letter)
    }

    fn state(&mut self, to: u8) -> Vec<u8> {
        self.mail.state();
        let mut sent = self.commit();
        sent.retain(|bytes| {
            let packet = Packet::decode(bytes, LIMITS.letter_bytes).unwrap();
            packet
                .statement
                .is_some_and(|statement| statement.to == account(to))
        });
        sent.pop().unwrap()
    }
}

fn decoded(bytes: &[u8]) -> Packet {
    Packet::decode(bytes, LIMITS.letter_bytes).unwrap()
}

#[test]
fn the_formats_are_frozen() {
    let mut owner = Owner::new(0);
    let first = owner.post(1, b"one");
    let packet = decoded(&first[0]);
    let letter = packet.letter.as_ref().unwrap();
    let expected = [
        &b"AMAL\x01"[..],
        &SUBJECT.0,
        b"\x00\x00\x01",
        &1u64.to_le_bytes(),
        &letter.chain.0,
        &3u32.to_le_bytes(),
        b"one",
    ];
    assert_eq!(first, [expected.concat()]);
    let stated = owner.state(1);
    assert_eq!(stated.len(), 4 + 1 + 32 + 1 + STATEMENT + 2);
    let all = Digest::of("test", &[&first[0], &stated, &owner.journal.concat()]);
    assert_eq!(
        all.to_string(),
        "6213ef2dc42ee13b418d806e1a3c108ab6acc79a78775c19976ae2c9653736fb"
    );
}

#[test]
fn every_altered_byte_is_refused_and_the_right_mail_still_comes() {
    let (mut sender, mut receiver) = (Owner::new(0), Owner::new(1));
    sender.mail.post(account(1), b"first".to_vec()).unwrap();
    sender.mail.state();
    let sent = sender.commit();
    let good = sent.iter().find(|bytes| decoded(bytes).letter.is_some());
    let good = good.unwrap();
    assert!(decoded(good).statement.is_some());
    for at in 0..good.len() {
        for bit in [1, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            let refused = receiver.give(0, &bad);
            assert!(refused.is_err(), "byte {at}: {refused:?}");
            receiver.commit();
        }
        assert!(receiver.give(0, &good[..at]).is_err(), "cut at {at}");
    }
    assert!(receiver.give(0, &[&good[..], &[0]].concat()).is_err());
    assert!(receiver.journal.is_empty());
    assert_eq!(receiver.give(0, good), Ok(Some(b"first".to_vec())));
}

#[test]
fn what_does_not_belong_is_refused_with_its_reason() {
    let mut sender = Owner::new(0);
    let one = sender.post(1, b"one").remove(0);
    let two = sender.post(1, b"two").remove(0);
    let three = sender.post(1, b"three").remove(0);
    let stated = decoded(&three).statement.unwrap();
    let with = |change: &dyn Fn(&mut Packet)| {
        let mut packet = decoded(&one);
        change(&mut packet);
        packet.encode()
    };
    let mut receiver = Owner::new(1);
    let mut refused = |from: u8, bytes: &[u8]| {
        let refused = receiver.give(from, bytes).unwrap_err();
        receiver.commit();
        refused
    };
    assert_eq!(refused(5, &one), Refused::Stranger(account(5)));
    assert_eq!(refused(2, &one), Refused::OtherHistory);
    assert_eq!(
        refused(0, &with(&|p| p.subject = Digest::ZERO)),
        Refused::Subject
    );
    let (found, expected) = (2, 1);
    assert_eq!(refused(0, &two), Refused::Early { found, expected });
    assert_eq!(refused(0, &with(&|p| p.letter = None)), Refused::Malformed);
    let long = with(&|p| p.letter.as_mut().unwrap().bytes = vec![0; 65 + ENVELOPE]);
    assert!(matches!(refused(0, &long), Refused::TooLong { .. }));
    let mut newer = one.clone();
    newer[4] = 2;
    assert_eq!(refused(0, &newer), Refused::Version(2));
    let other = |change: fn(&mut Statement), signer: u8| {
        let mut statement = stated;
        change(&mut statement);
        let statement = statement.signed(&key(signer));
        with(&|p| p.statement = Some(statement))
    };
    assert_eq!(
        refused(0, &other(|_| (), 2)),
        Refused::Signature(account(0))
    );
    assert_eq!(
        refused(0, &other(|s| s.by = account(2), 2)),
        Refused::NotTheirs
    );
    assert_eq!(
        refused(0, &other(|s| s.to = account(2), 0)),
        Refused::NotTheirs
    );
    assert_eq!(
        refused(0, &other(|s| s.subject = Digest::ZERO, 0)),
        Refused::NotTheirs
    );
    let (found, sent) = (7, 0);
    let claimed = other(|s| s.received.count = 7, 0);
    assert_eq!(refused(0, &claimed), Refused::NeverSent { found, sent });
    assert_eq!(
        refused(0, &other(|s| s.received.chain = Digest::ZERO, 0)),
        Refused::OtherHistory
    );
    assert_eq!(
        refused(
            0,
            &other(
                |s| s.sent = Mark {
                    count: 0,
                    chain: Digest::ZERO
                },
                0
            )
        ),
        Refused::OtherHistory
    );
    let reminder = with(&|p| p.reminder = Some(stated));
    assert_eq!(refused(0, &reminder), Refused::NotTheirs);

    // Nothing of this was in the way of the right mail.
    for (mail, letter) in [(&one, &b"one"[..]), (&two, b"two"), (&three, b"three")] {
        assert_eq!(receiver.give(0, mail), Ok(Some(letter.to_vec())));
        let again = receiver.give(0, mail);
        assert_eq!(again, Err(Refused::Uncommitted));
        receiver.commit();
        assert!(matches!(
            receiver.give(0, mail),
            Err(Refused::Replayed { .. })
        ));
        receiver.commit();
    }
}

#[test]
fn more_than_may_be_under_way_is_not_posted_until_it_is_signed_for() {
    let (mut sender, mut receiver) = (Owner::new(0), Owner::new(1));
    let to = account(1);
    let mut sent = Vec::new();
    for n in 0..8 {
        sent.extend(sender.post(1, &[n; 20]));
    }
    let full = sender.mail.post(to, vec![8; 20]);
    let (letters, bytes) = (8, 160);
    assert_eq!(full, Err(PostError::Full { to, letters, bytes }));
    let long = sender.mail.post(to, vec![0; 65]);
    assert_eq!(
        long,
        Err(PostError::TooLong {
            found: 65,
            most: 64
        })
    );
    assert_eq!(
        sender.mail.post(account(7), vec![]),
        Err(PostError::Stranger(account(7)))
    );
    let mut answers = Vec::new();
    for mail in &sent {
        receiver.give(0, mail).unwrap();
        answers.extend(receiver.commit());
    }
    // A receipt for every three.
    assert_eq!(answers.len(), 2);
    for answer in &answers {
        assert_eq!(sender.give(1, answer), Ok(None));
    }
    assert_eq!(sender.mail.under_way(&to), (2, 40));
    let by_bytes = (0..3).map(|_| sender.mail.post(to, vec![1; 64]));
    assert!(by_bytes.collect::<Result<Vec<_>, _>>().is_ok());
    assert!(matches!(
        sender.mail.post(to, vec![1; 64]),
        Err(PostError::Full { .. })
    ));
    // What waits too long is told once.
    sender.commit();
    assert_eq!(sender.mail.wake(Millis(4_000)), []);
    assert_eq!(sender.mail.wake(Millis(9_000)), [Condition::Silent(to)]);
    assert_eq!(sender.mail.wake(Millis(19_000)), []);
}

#[test]
fn two_histories_are_evidence_that_anybody_can_check() {
    let mut liar = Owner::new(0);
    liar.post(1, b"one");
    let beginning = liar.journal.clone();
    let mut other = Owner {
        mail: recovered(0, &beginning).unwrap(),
        journal: beginning,
        now: Millis(1),
    };
    let first = liar.post(1, b"yes");
    let second = other.post(1, b"no");
    let (said, denied) = (liar.state(1), other.state(1));
    let (said, denied) = (
        decoded(&said).statement.unwrap(),
        decoded(&denied).statement.unwrap(),
    );

    let mut victim = Owner::new(1);
    for mail in &liar_mail(&first, &second, &said, &denied) {
        let given = victim.give(0, mail);
        victim.commit();
        if let Err(Refused::Equivocation(evidence)) = given {
            assert_eq!(evidence.by(), account(0));
            assert!(evidence.is_proven());
            let bytes = borsh::to_vec(&*evidence).unwrap();
            for at in 0..bytes.len() {
                let mut altered = bytes.clone();
                altered[at] ^= 1;
                let read = borsh::from_slice::<Equivocation>(&altered);
                assert!(read.is_ok_and(|read| !read.is_proven()), "byte {at}");
            }
            return;
        }
    }
    panic!("nobody noticed");
}

fn liar_mail(
    first: &[Vec<u8>],
    second: &[Vec<u8>],
    said: &Statement,
    denied: &Statement,
) -> Vec<Vec<u8>> {
    let only = |statement: &Statement| {
        let packet = Packet {
            subject: SUBJECT,
            statement: Some(*statement),
            reminder: None,
            letter: None,
        };
        packet.encode()
    };
    let mut mail = first.to_vec();
    mail.push(only(said));
    mail.extend(second.to_vec());
    mail.push(only(denied));
    mail
}

#[test]
fn statements_of_one_history_are_no_evidence_and_those_of_two_are() {
    let mut honest = Owner::new(0);
    let mut said = Vec::new();
    for n in 0..4u8 {
        honest.post(1 + n % 2, &[n]);
        for to in [1, 2] {
            let stated = honest.state(to);
            said.push(decoded(&stated).statement.unwrap());
        }
    }
    for (i, first) in said.iter().enumerate() {
        for second in &said[i..] {
            assert_eq!(Equivocation::of(first, second), None);
        }
    }
    // Each way to show two histories, to one peer or to two.
    let (early, late) = (said[0], said[4]);
    let sign = |statement: Statement| statement.signed(&key(0));
    let head = Digest::of("other", &[]);
    let mark = |count| Mark { count, chain: head };
    for other in [
        Statement { head, ..late },
        Statement {
            head,
            to: account(2),
            ..late
        },
        Statement {
            sent: mark(late.sent.count),
            ..late
        },
        Statement {
            received: mark(0),
            ..late
        },
        Statement {
            sent: mark(0),
            ..late
        },
        Statement {
            steps: late.steps + 1,
            sent: early.sent,
            ..late
        },
        Statement {
            steps: late.steps + 1,
            sent: mark(late.sent.count),
            ..late
        },
    ] {
        assert!(Equivocation::of(&late, &sign(other)).is_some(), "{other:?}");
        assert_eq!(Equivocation::of(&late, &other), None, "unsigned");
    }
}

#[test]
fn an_old_copy_of_a_journal_is_noticed_by_any_peer_and_stops_its_owner() {
    for lost in ["sent", "received"] {
        let (mut owner, mut peer) = (Owner::new(0), Owner::new(1));
        let carry = |owner: &mut Owner, peer: &mut Owner, n: u8| {
            for mail in owner.post(1, &[n]) {
                peer.give(0, &mail).unwrap();
                peer.commit();
            }
            for mail in peer.post(0, &[n]) {
                owner.give(1, &mail).unwrap();
                owner.commit();
            }
        };
        carry(&mut owner, &mut peer, 1);
        let old = owner.journal.clone();
        carry(&mut owner, &mut peer, 2);
        // Both have signed for everything.
        let receipt = owner.state(1);
        peer.give(0, &receipt).unwrap();
        let receipt = peer.state(0);
        owner.give(1, &receipt).unwrap();
        let newest = owner.mail.checkpoint();

        let mut again = Owner {
            mail: recovered(0, &old).unwrap(),
            journal: old.clone(),
            now: Millis(1),
        };
        let mail = match lost {
            // It says where it stands, first of all.
            "sent" => again.commit(),
            _ => {
                again.commit();
                again.post(1, b"other")
            }
        };
        let mut answers = Vec::new();
        for mail in mail {
            let given = peer.give(0, &mail);
            assert!(!matches!(given, Ok(Some(_))), "{given:?}");
        }
        peer.commit();
        peer.now = peer.mail.due().unwrap();
        answers.extend(peer.commit());
        let told = answers.iter().map(|mail| again.give(1, mail).unwrap_err());
        let told: Vec<_> = told.collect();
        let (found, known) = (2, newest.steps);
        let found = if lost == "sent" { found } else { found + 1 };
        let stopped = OldJournal { found, known };
        assert!(
            told.contains(&Refused::OldJournal(stopped)),
            "{lost}: {told:?}"
        );
        assert_eq!(
            again.mail.post(account(1), vec![]),
            Err(PostError::OldJournal(stopped))
        );
        assert!(again.commit().is_empty());

        // And where the newest head is known, it does not even begin.
        let mut known = mailbox(0);
        known.expect(newest);
        old.iter()
            .for_each(|entry| _ = known.recover(entry).unwrap());
        let (found, steps) = (2, newest.steps);
        let lacks = OldJournal {
            found,
            known: steps,
        };
        assert_eq!(known.recovered(), Err(BadJournal::Old(lacks)));
        assert_eq!(known.post(account(1), vec![]), Err(lacks.into()));
        assert!(known.commit::<Gossip>(Millis(1)).is_empty());
        let mut forked = mailbox(0);
        forked.expect(Checkpoint {
            head: Digest::ZERO,
            ..newest
        });
        let entries = owner.journal.iter();
        let ended: Result<Vec<_>, _> = entries.map(|entry| forked.recover(entry)).collect();
        assert_eq!(ended.unwrap_err(), BadJournal::Forked(newest.steps));
        let mut good = mailbox(0);
        good.expect(newest);
        owner
            .journal
            .iter()
            .for_each(|entry| _ = good.recover(entry).unwrap());
        assert_eq!((good.recovered(), good.checkpoint()), (Ok(()), newest));
    }
}

#[test]
fn entries_of_others_and_out_of_place_are_refused() {
    let mut owner = Owner::new(0);
    owner.post(1, b"one");
    owner.post(2, b"two");
    let [opened, one, two] = &owner.journal[..] else {
        panic!("{}", owner.journal.len());
    };
    for (wrong, at) in [
        (vec![one], 0),
        (vec![opened, opened], 1),
        (vec![opened, one, opened], 2),
        (vec![opened, &two[..two.len() - 1].to_vec()], 1),
    ] {
        let mut made = mailbox(0);
        let all: Result<Vec<_>, _> = wrong.iter().map(|entry| made.recover(entry)).collect();
        assert_eq!(all.unwrap_err(), BadJournal::Entry(at));
    }
    assert!(matches!(
        recovered(1, &owner.journal),
        Err(BadJournal::Entry(0))
    ));
    let other = Mailbox::new(key(0), Digest::ZERO, [account(1)], LIMITS).recover(opened);
    assert_eq!(other, Err(BadJournal::Entry(0)));
    let mut alone = Mailbox::new(key(0), SUBJECT, [account(1)], LIMITS);
    alone.recover(opened).unwrap();
    alone.recover(one).unwrap();
    assert_eq!(alone.recover(two), Err(BadJournal::Entry(2)));
}
