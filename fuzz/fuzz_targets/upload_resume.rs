//! Upload journals, as a crash or a bad disk may leave them; then storage nodes that answer at
//! random. An upload may fail, but it stays within what it was given.
#![no_main]

use assay_fuzz::parts::{Parts, part};
use assay_fuzz::samples::ledger::{account, digest};
use assay_fuzz::samples::vault::{file, key};
use assay_ledger::AccountId;
use assay_vault::placement::Candidate;
use assay_vault::upload::{Input, Need, Output, Upload, UploadConfig};
use assay_vault::wire::{Refusal, Request, Response};
use assay_vault::{Millis, Tag, Unreachable};
use libfuzzer_sys::fuzz_target;

/// Ends the journal: an entry that is none.
const END: [u8; 2] = [0, 0];

fn candidates() -> Vec<Candidate> {
    let candidate = |n| Candidate {
        node: account(n),
        free: 1 << 30,
    };
    (0..4).map(candidate).collect()
}

fn fresh() -> Upload {
    Upload::new(
        UploadConfig::default(),
        &key(),
        11,
        &candidates(),
        digest("seed"),
    )
}

/// The journal of an upload to nodes that do what they are asked.
fn journal() -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    drive(fresh(), &mut |_| 0, &mut |entry| entries.push(entry));
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

/// Runs a machine to its end, or for some time. `mood` says how each request is answered: 0 as an
/// honest node would, anything else in some other way.
fn drive(mut upload: Upload, mood: &mut dyn FnMut(&Request) -> u8, note: &mut dyn FnMut(Vec<u8>)) {
    let mut now = Millis(0);
    let mut inputs = std::collections::VecDeque::from([Input::Tick]);
    for _ in 0..200 {
        let input = inputs.pop_front().unwrap_or(Input::Tick);
        for output in upload.step(now, input) {
            match output {
                Output::Journal(entry) => note(entry),
                Output::Need(need) => inputs.push_back(give(need)),
                Output::Send { tag, to, request } => {
                    let mood = mood(&request);
                    inputs.extend(reply(tag, to, request, mood));
                }
                Output::WakeAt(then) => now = now.max(then),
                Output::Report { .. } => {}
                Output::Record {
                    file: id,
                    placement,
                } => {
                    assert_eq!(id, file().0.id, "a record of another file");
                    assert!(!placement.is_empty());
                    inputs.push_back(Input::Recorded(Ok(())));
                }
                Output::Finished(_) => {
                    assert!(
                        upload.step(now, Input::Tick).is_empty(),
                        "life after the end"
                    );
                    return;
                }
            }
        }
    }
}

fn give(need: Need) -> Input {
    let (file, slice) = file();
    match need {
        Need::Slice(0) => Input::Slice(slice),
        Need::Slice(index) => Input::SourceFailed(format!("there is no slice {index}")),
        Need::Manifest => Input::Manifest(Box::new(file)),
    }
}

fn reply(tag: Tag, to: AccountId, request: Request, mood: u8) -> Option<Input> {
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
    Some(Input::Reply { tag, reply })
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
    let (config, key) = (UploadConfig::default(), key());
    let resumed = Upload::resume(config, &key, 11, &candidates(), digest("seed"), &journal);
    let Ok(upload) = resumed else {
        return;
    };
    let (stored, sealed) = upload.progress();
    assert!(stored <= sealed && sealed as usize <= journal.len());
    // What it writes down must be readable after what was there.
    let mut longer = journal.clone();
    drive(upload, &mut |_| parts.byte(), &mut |entry| longer.push(entry));
    let again = Upload::resume(config, &key, 11, &candidates(), digest("seed"), &longer);
    assert!(again.is_ok(), "an upload cannot read its own journal: {again:?}");
});
