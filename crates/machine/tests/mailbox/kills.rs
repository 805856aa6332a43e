use assay_machine::mailbox::{Condition, Limits};

use crate::gossip::{Told, key};
use crate::world::{Weather, World};

const LIMITS: Limits = Limits {
    letter_bytes: 100,
    letters: 12,
    bytes: 400,
    statement_every: 4,
    statement_after_ms: 50,
    resend_ms: 100,
    longest_resend_ms: 2_000,
    silent_ms: 30_000,
};

/// Random worlds; `cargo xtask full` sets more.
fn cases() -> u64 {
    let cases = std::env::var("ASSAY_CASES").ok();
    cases.map_or(24, |n| n.parse().unwrap())
}

/// What everybody posted is what everybody else was given: all of it, in order, once.
fn all_mail_arrived(world: &World, plan: usize) {
    for (from, sender) in world.members.iter().enumerate() {
        for (to, receiver) in world
            .members
            .iter()
            .enumerate()
            .filter(|(to, _)| *to != from)
        {
            let posted = &sender.machine.posted[&key(to as u8).public()];
            let delivered = &receiver.machine.delivered[&key(from as u8).public()];
            assert_eq!(delivered, posted, "from {from} to {to}");
            let own: Vec<_> = posted.iter().filter(|letter| letter[0] == b'o').collect();
            assert!(
                own.is_sorted_by_key(|letter| u64::from_le_bytes(letter[1..9].try_into().unwrap()))
            );
            assert!(own.len() == plan, "{} letters", own.len());
        }
    }
}

#[test]
fn every_letter_arrives_once_and_in_order_whatever_is_lost_repeated_reordered_or_killed() {
    for seed in 0..cases() {
        let weather = Weather {
            loses: [0, 30, 100][seed as usize % 3],
            repeats: [0, 80][seed as usize / 3 % 2],
            kills: [0, 2, 6][seed as usize / 6 % 3],
            delay: [1, 40, 400][seed as usize / 2 % 3],
            parts: seed % 4 == 1,
        };
        println!("seed {seed}: {weather:?}");
        let members = 2 + (seed % 2) as u8;
        let mut world = World::new(seed, members, 40, LIMITS, weather);
        assert!(world.run(400_000), "it does not end");
        all_mail_arrived(&world, 40);
        let (letters, bytes) = world.most;
        assert!(
            letters <= LIMITS.letters && bytes <= LIMITS.bytes,
            "{letters} letters, {bytes} bytes"
        );
        if weather.kills > 0 {
            assert!(
                world.members.iter().any(|member| member.lives > 1),
                "nobody was killed"
            );
        }
    }
}

/// At every single output of either side, whether or not an entry reached the disk.
#[test]
fn a_kill_at_any_output_loses_and_doubles_nothing() {
    let calm = Weather {
        loses: 0,
        repeats: 0,
        kills: 0,
        delay: 5,
        parts: false,
    };
    let mut whole = World::new(1, 2, 6, LIMITS, calm);
    assert!(whole.run(100_000));
    for at in 1..=whole.outputs {
        for written in [false, true] {
            let mut world = World::new(1, 2, 6, LIMITS, calm);
            world.kill_at = Some((at, written));
            assert!(world.run(100_000), "killed at output {at}");
            all_mail_arrived(&world, 6);
        }
    }
}

#[test]
fn a_peer_that_is_never_there_is_named_and_its_mail_bounded() {
    let nobody = Weather {
        loses: 256,
        repeats: 0,
        kills: 0,
        delay: 5,
        parts: false,
    };
    let mut world = World::new(3, 2, 40, LIMITS, nobody);
    for _ in 0..200 {
        world.event();
    }
    for at in [0, 1] {
        let silent = Condition::Silent(key(1 - at as u8).public());
        let told = world.told.iter().filter(|(who, told)| {
            *who == at && matches!(told, Told::Condition(condition) if *condition == silent)
        });
        assert_eq!(told.count(), 1, "once for each silence");
    }
    assert!(world.most.0 <= LIMITS.letters && world.most.1 <= LIMITS.bytes);
    // Far fewer attempts than milliseconds: the pauses grow.
    assert!(world.sent < 3_000, "{} packets", world.sent);
}
