//! Upload journals, as a crash or a bad disk may leave them; then storage nodes that answer at
//! random. An upload may fail, but it stays within what it was given.
#![no_main]

use assay_fuzz::parts::{Parts, part};
use assay_fuzz::samples::ledger::account;
use assay_fuzz::samples::vault::{file, key};
use assay_ledger::AccountId;
use assay_machine::{Context, Machine};
use assay_vault::placement::Candidate;
use assay_vault::upload::{Answer, Ask, Input, Need, Output, Upload, UploadConfig, UploadError};
use assay_vault::wire::{Refusal, Request, Response};
use assay_vault::{Millis, Unreachable};
use libfuzzer_sys::fuzz_target;

/// Ends the journal: an entry that is none.
const END: [u8; 2] = [0, 0];

fn candidates() -> Vec<Candidate> {
    let candidate = |n| Candidate {
        node: account(n),
        owner: account(n),
        free: 1 << 30,
        bonded: 1 << 30,
    };
    (0..4).map(candidate).collect()
}

fn fresh() -> Upload {
    Upload::new(UploadConfig::default(), &key(), 11, &candidates())
}

/// The journal of an upload to nodes that do what they are asked.
fn journal() -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    drive(&[], &mut |_| 0, &mut |entry| entries.push(entry));
    entries
}

fn seeds() -> Vec<Vec<u8>> {
    let journal = journal();
    assert!(journal.len() >= 3, "an upload that ended early");
    (0..=journal.len())
        .map(|kept| {
            let mut seed: Vec<u8> = journal[..kept].iter().flat_map(|e| part(e)).collect();
            seed.extend(END);
            seed.extend([0, 1, 0, 2, 0, 3]);
            seed
        })
        .collect()
}

/// Runs an upload with this journal to its end, or for some time; tells how it ended. `mood` says
/// how each request is answered: 0 as an honest node would, anything else in some other way.
fn drive(
    journal: &[Vec<u8>],
    mood: &mut dyn FnMut(&Request) -> u8,
    note: &mut dyn FnMut(Vec<u8>),
) -> Option<Result<assay_ledger::FileId, UploadError>> {
    let mut upload = fresh();
    let mut now = Millis(0);
    let mut inputs = std::collections::VecDeque::from([Input::Seed([7; 32])]);
    inputs.extend(journal.iter().cloned().map(Input::Journal));
    inputs.push_back(Input::News);
    for _ in 0..200 + journal.len() {
        let input = inputs.pop_front().unwrap_or(Input::Wake);
        let early = matches!(input, Input::Seed(_) | Input::Journal(_));
        let outputs = upload.step(&Context { now, view: &() }, input);
        assert!(!early || outputs.is_empty(), "asks before there is news");
        for output in outputs {
            match output {
                Output::Journal(entry) => note(entry),
                Output::Ask(tag, Ask::Need(need)) => {
                    inputs.push_back(Input::Answer(tag, give(need)));
                }
                Output::Ask(tag, Ask::Send { to, request }) => {
                    let mood = mood(&request);
                    let reply = reply(to, request, mood);
                    inputs.extend(reply.map(|reply| Input::Answer(tag, reply)));
                }
                Output::Ask(
                    tag,
                    Ask::Record {
                        file: id,
                        placement,
                    },
                ) => {
                    assert_eq!(id, file().0.id, "a record of another file");
                    assert!(!placement.is_empty());
                    inputs.push_back(Input::Answer(tag, Answer::Recorded(Ok(()))));
                }
                Output::WakeAt(then) => now = now.max(then),
                Output::Report(_) | Output::Send { .. } => {}
                Output::End(end) => {
                    let after = upload.step(&Context { now, view: &() }, Input::Wake);
                    assert!(after.is_empty(), "life after the end");
                    return Some(end);
                }
            }
        }
    }
    None
}

fn give(need: Need) -> Answer {
    let (file, slice) = file();
    match need {
        Need::Slice(0) => Answer::Slice(slice),
        Need::Slice(index) => Answer::SourceFailed(format!("there is no slice {index}")),
        Need::Manifest => Answer::Manifest(Box::new(file)),
    }
}

fn reply(to: AccountId, request: Request, mood: u8) -> Option<Answer> {
    let reply = match (mood, request) {
        (0, Request::Put { digest, .. }) => Ok(Response::Stored { digest }),
        (0, Request::Has { digests }) => Ok(Response::Has {
            held: assay_vault::wire::Flags::new(vec![false; digests.as_slice().len()]),
        }),
        (0, Request::Commit { file, .. }) => Ok(Response::Committed { file }),
        (1, _) => Err(Unreachable),
        (2, _) => return None,
        (3, _) => Ok(Response::Refused(Refusal::Busy)),
        (4, _) => Ok(Response::Refused(Refusal::Incomplete { missing: 1 })),
        (5, _) => Ok(Response::Has {
            held: assay_vault::wire::Flags::new(vec![true; usize::from(to.0[0])]),
        }),
        (6, _) => Ok(Response::Refused(Refusal::DiskFailed)),
        _ => Ok(Response::Free { bytes: 0 }),
    };
    Some(Answer::Reply(reply))
}

fuzz_target!(init: assay_fuzz::plant(seeds()), |data: &[u8]| {
    let mut parts = Parts::new(data);
    let mut journal = Vec::new();
    loop {
        let entry = parts.part();
        if entry.is_empty() {
            break;
        }
        journal.push(entry.to_vec());
    }
    let mut longer = journal.clone();
    let end = drive(&journal, &mut |_| parts.byte(), &mut |entry| longer.push(entry));
    if let Some(Err(UploadError::Resume(_))) = end {
        assert_eq!(longer, journal, "written after what cannot be read");
        return;
    }
    // What it writes down must be readable after what was there.
    let again = drive(&longer, &mut |_| 1, &mut |_| {});
    let again = again.filter(|end| matches!(end, Err(UploadError::Resume(_))));
    assert!(again.is_none(), "an upload cannot read its own journal: {again:?}");
});
