//! Grants of files: who may do what at each point of their life, and what time does to them.

use assay_crypto::EncryptionKey;
use assay_ledger::{
    Amount, AskGrant, BoundedBytes, BoundedString, Deadlines, FileCall, FileEvent, FileGrant,
    FileRefusal, GrantState, LedgerTime, Parameters, Refusal, Status, query,
};

use crate::watch;
use crate::world::{Who, World, file, file_id, ms, parameters, time};

const OWNER: Who = Who::Requester;
const GRANTEE: Who = Who::Stranger;
const OTHER: Who = Who::Auditor(0);

fn ask(until: LedgerTime) -> FileCall {
    FileCall::AskGrant(Box::new(AskGrant {
        file: file_id("model"),
        owner: OWNER.id(),
        encryption_key: EncryptionKey([8; 32]),
        purpose: BoundedString::new("a study").unwrap(),
        until,
    }))
}

fn approve(grantee: Who, until: LedgerTime) -> FileCall {
    FileCall::ApproveGrant {
        file: file_id("model"),
        grantee: grantee.id(),
        sealed: BoundedBytes::new(b"the key".to_vec()).unwrap(),
        until,
    }
}

fn reject(grantee: Who) -> FileCall {
    let (file, grantee) = (file_id("model"), grantee.id());
    FileCall::RejectGrant { file, grantee }
}

fn revoke(grantee: Who) -> FileCall {
    let (file, grantee) = (file_id("model"), grantee.id());
    FileCall::RevokeGrant { file, grantee }
}

/// A network in which the owner has recorded its file.
fn recorded() -> World {
    let mut world = World::with(Parameters {
        floors: Deadlines::all(0),
        max_deadline_ms: ms(50),
        ..parameters()
    });
    world.apply(OWNER, world.put(file(OWNER, "model")));
    world
}

/// A grant that its owner takes back.
pub(crate) fn revoked() -> World {
    let mut world = recorded();
    let until = time(world.height().after(20));
    for (who, call) in [
        (Who::Stranger, ask(until)),
        (OWNER, approve(Who::Stranger, until)),
        (OWNER, revoke(Who::Stranger)),
    ] {
        world.apply(who, call);
    }
    world
}

fn found(world: &World, grantee: Who) -> Option<FileGrant> {
    query::file_grant(&world.store, &file_id("model"), &OWNER.id(), &grantee.id()).unwrap()
}

fn state(world: &World) -> Option<GrantState> {
    found(world, GRANTEE).map(|grant| grant.state)
}

fn after(world: &World, blocks: u64) -> LedgerTime {
    time(world.height()).after(ms(blocks))
}

/// The life up to each of its states; every second step to the state is by the call that leads
/// there, and time has run out for the one that expired.
fn reach(wanted: Option<GrantState>) -> World {
    let mut world = recorded();
    let Some(wanted) = wanted else {
        return world;
    };
    world.apply(GRANTEE, ask(after(&world, 20)));
    match wanted {
        GrantState::Asked => {}
        GrantState::Rejected => drop(world.apply(OWNER, reject(GRANTEE))),
        GrantState::Approved => drop(world.apply(OWNER, approve(GRANTEE, after(&world, 20)))),
        GrantState::Expired => world.advance(20),
        GrantState::Revoked => {
            world.apply(OWNER, approve(GRANTEE, after(&world, 20)));
            world.apply(OWNER, revoke(GRANTEE));
        }
    }
    assert_eq!(state(&world), Some(wanted));
    world
}

const STATES: [Option<GrantState>; 6] = [
    None,
    Some(GrantState::Asked),
    Some(GrantState::Approved),
    Some(GrantState::Rejected),
    Some(GrantState::Expired),
    Some(GrantState::Revoked),
];

/// Every call in every state by every party: only these take effect.
#[test]
fn only_the_calls_of_the_life_take_effect() {
    for from in STATES {
        let world = reach(from);
        let until = after(&world, 9);
        let mut effective = Vec::new();
        for who in [OWNER, GRANTEE, OTHER] {
            let calls = [
                ask(until),
                approve(GRANTEE, until),
                reject(GRANTEE),
                revoke(GRANTEE),
                approve(OTHER, until),
                reject(OTHER),
                revoke(OTHER),
                approve(OWNER, until),
            ];
            for (i, call) in calls.into_iter().enumerate() {
                match world.would(who, call.clone()) {
                    Status::Applied => effective.push((who, i)),
                    Status::Refused(Refusal::File(_)) => {}
                    other => panic!("{call:?} by {who:?}: {other:?}"),
                }
            }
        }
        let owners: &[(Who, usize)] = match from {
            Some(GrantState::Asked) => &[(OWNER, 1), (OWNER, 2)],
            Some(GrantState::Approved) => &[(OWNER, 3)],
            _ => &[],
        };
        let asks_anew = !matches!(from, Some(GrantState::Asked | GrantState::Approved));
        let mut expected = owners.to_vec();
        expected.extend(asks_anew.then_some((GRANTEE, 0)));
        // Anybody may ask for a grant of its own.
        expected.push((OTHER, 0));
        assert_eq!(effective, expected, "{from:?}");
    }
}

#[test]
fn a_grant_is_asked_for_approved_and_revoked() {
    let mut world = recorded();
    let supply = query::supply(&world.store).unwrap();
    let asked = world.height().after(1);
    world.apply(GRANTEE, ask(after(&world, 20)));
    let grant = found(&world, GRANTEE).unwrap();
    assert_eq!((grant.state, grant.asked), (GrantState::Asked, asked));
    assert_eq!(grant.encryption_key, EncryptionKey([8; 32]));
    assert_eq!(grant.purpose.as_str(), "a study");
    assert!(grant.sealed.is_empty());
    let until = after(&world, 30);
    let events = world.apply(OWNER, approve(GRANTEE, until));
    let told = FileEvent::Grant {
        file: file_id("model"),
        owner: OWNER.id(),
        grantee: GRANTEE.id(),
        state: GrantState::Approved,
    };
    assert_eq!(events, [told.into()]);
    let grant = found(&world, GRANTEE).unwrap();
    assert_eq!((grant.state, grant.until), (GrantState::Approved, until));
    assert_eq!(&grant.sealed[..], b"the key");
    // The time it was asked with passes, and the grant stands.
    world.advance(25);
    assert_eq!(state(&world), Some(GrantState::Approved));
    world.apply(OWNER, revoke(GRANTEE));
    let grant = found(&world, GRANTEE).unwrap();
    assert_eq!(grant.state, GrantState::Revoked);
    assert!(grant.sealed.is_empty());
    // Money moved for nothing but fees.
    let now = query::supply(&world.store).unwrap();
    let rest = |of: query::Supply| (of.bonds, of.unbonding, of.escrow, of.pot, of.total);
    assert_eq!(rest(now), rest(supply));
    assert_eq!(
        now.balances.0 + now.treasury.0,
        supply.balances.0 + supply.treasury.0
    );
    assert_eq!(now.escrow, Amount::ZERO);
    assert_eq!(world.replay(), world.root);
}

#[test]
fn time_ends_what_nobody_ends() {
    for approved in [false, true] {
        let mut world = recorded();
        world.apply(GRANTEE, ask(after(&world, 10)));
        if approved {
            world.apply(OWNER, approve(GRANTEE, after(&world, 12)));
        }
        let grant = found(&world, GRANTEE).unwrap();
        while time(world.height().after(1)) < grant.until {
            world.advance(1);
            assert_eq!(state(&world), Some(grant.state));
        }
        // It expires at the beginning of its block: a revocation in that block comes too late.
        let call = if approved {
            revoke(GRANTEE)
        } else {
            reject(GRANTEE)
        };
        let refusal = world.refuse(OWNER, call);
        assert!(matches!(
            refusal,
            Refusal::File(FileRefusal::WrongGrantState {
                state: GrantState::Expired,
                ..
            })
        ));
        let grant = found(&world, GRANTEE).unwrap();
        assert_eq!(grant.state, GrantState::Expired);
        assert!(grant.sealed.is_empty());
        let told = world.told.last().unwrap();
        assert_eq!((time(told.height), told.tx), (grant.until, None));
        // That of the record itself is left.
        assert_eq!(watch::keys(&world.store, b't').count(), 1);
    }
}

#[test]
fn a_grant_that_ended_leaves_no_timer_behind() {
    for from in STATES {
        let world = reach(from);
        watch::check_timers(&world.store);
        let alive = matches!(from, Some(GrantState::Asked | GrantState::Approved));
        let timers = watch::keys(&world.store, b't').count();
        // That of the record is one more.
        assert_eq!(timers, 1 + usize::from(alive), "{from:?}");
    }
}

#[test]
fn times_out_of_bounds_are_refused() {
    let longest = ms(50);
    for (call, who) in [
        (ask as fn(LedgerTime) -> FileCall, GRANTEE),
        (|until| approve(GRANTEE, until), OWNER),
    ] {
        let mut world = recorded();
        if who == OWNER {
            world.apply(GRANTEE, ask(after(&world, 20)));
        }
        // The call is in the next block: that is now, for it.
        let now = after(&world, 1);
        let latest = now.after(longest);
        for until in [
            LedgerTime(0),
            time(world.height()),
            now,
            latest.after(1),
            LedgerTime(u64::MAX),
        ] {
            let refusal = FileRefusal::GrantTime { until, now, latest };
            assert_eq!(
                world.would(who, call(until)),
                Status::Refused(refusal.into())
            );
        }
        for until in [now.after(1), latest] {
            assert_eq!(world.would(who, call(until)), Status::Applied);
        }
    }
}

#[test]
fn what_is_over_can_be_asked_for_again() {
    for from in [
        GrantState::Rejected,
        GrantState::Expired,
        GrantState::Revoked,
    ] {
        let mut world = reach(Some(from));
        let until = after(&world, 15);
        world.apply(GRANTEE, ask(until));
        let grant = found(&world, GRANTEE).unwrap();
        assert_eq!((grant.state, grant.until), (GrantState::Asked, until));
        assert_eq!(grant.asked, world.height());
        world.apply(OWNER, approve(GRANTEE, after(&world, 15)));
        assert_eq!(state(&world), Some(GrantState::Approved));
        watch::check_timers(&world.store);
    }
}

#[test]
fn nothing_is_granted_unasked() {
    let mut world = recorded();
    let (file, grantee) = (file_id("model"), GRANTEE.id());
    let none = Refusal::from(FileRefusal::NoGrant { file, grantee });
    let until = after(&world, 9);
    for call in [approve(GRANTEE, until), reject(GRANTEE), revoke(GRANTEE)] {
        assert_eq!(world.refuse(OWNER, call), none);
    }
    world.apply(GRANTEE, ask(after(&world, 20)));
    // Only the owner answers: another's answer is one about a grant of its own file.
    for call in [approve(GRANTEE, until), reject(GRANTEE), revoke(GRANTEE)] {
        assert_eq!(world.refuse(OTHER, call.clone()), none);
        assert_eq!(world.refuse(GRANTEE, call), none);
    }
    // Nor is there anything to ask of somebody who has recorded no such file.
    let unknown = FileCall::AskGrant(Box::new(AskGrant {
        file,
        owner: OTHER.id(),
        encryption_key: EncryptionKey([8; 32]),
        purpose: BoundedString::default(),
        until: after(&world, 9),
    }));
    let owner = OTHER.id();
    assert_eq!(
        world.refuse(GRANTEE, unknown),
        FileRefusal::Unknown { file, owner }.into()
    );
    let own = FileRefusal::OwnFile { file };
    assert_eq!(world.refuse(OWNER, ask(after(&world, 9))), own.into());
}

#[test]
fn grants_are_listed_by_file_by_owner_and_by_grantee() {
    let mut world = recorded();
    world.apply(OWNER, world.put(file(OWNER, "train")));
    let askers = [GRANTEE, OTHER, Who::Storage(0)];
    for who in askers {
        world.apply(who, ask(after(&world, 20)));
    }
    let second = FileCall::AskGrant(Box::new(AskGrant {
        file: file_id("train"),
        owner: OWNER.id(),
        encryption_key: EncryptionKey([8; 32]),
        purpose: BoundedString::default(),
        until: after(&world, 20),
    }));
    world.apply(GRANTEE, second);
    world.apply(OWNER, reject(OTHER));
    let of_file = query::file_grants(&world.store, &file_id("model"), &OWNER.id()).unwrap();
    assert_eq!(of_file.len(), 3);
    let of = |who: Who, limit| query::grants_of(&world.store, &who.id(), limit).unwrap();
    let of_owner = of(OWNER, 9);
    assert_eq!((of_owner.entries.len(), of_owner.more), (4, false));
    assert!(of_file.iter().all(|grant| of_owner.entries.contains(grant)));
    assert!(of(OWNER, 3).more && of(GRANTEE, 9).entries.is_empty());
    let to = |who: Who, limit| query::grants_to(&world.store, &who.id(), limit).unwrap();
    let all = to(GRANTEE, 9);
    assert_eq!((all.entries.len(), all.more), (2, false));
    assert!(
        all.entries
            .iter()
            .all(|grant| grant.grantee == GRANTEE.id())
    );
    let first = to(GRANTEE, 1);
    assert_eq!(
        (first.entries.as_slice(), first.more),
        (&all.entries[..1], true)
    );
    // Those that are over are listed too.
    assert_eq!(to(OTHER, 9).entries[0].state, GrantState::Rejected);
    assert_eq!(to(OWNER, 9).entries, []);
}
