//! Trainers are busy with their rounds, and free for other orders afterwards.

use assay_ledger::{Deadlines, Offer, OrderCall, OrderId, Phase, Terms};

use super::{KINDS, terms, world_of};
use crate::world::{Who, file, ms, parameters};

/// The slots come free while the block draws, after it has read whom it could draw: an order that lies aside since
/// everybody was busy is looked at again all the same.
#[test]
fn an_order_that_everybody_was_too_busy_for_is_drawn_for_once_rounds_are_over() {
    // Others stand in the line, or none does, when the rounds end.
    for posted in [1, 4] {
        let mut world = world_of(parameters(), |_| Offer {
            orders: 1,
            ..Offer::anything().of_kinds(&KINDS)
        });
        let rounds = world.training(&terms(1));
        for input in ["model", "train"] {
            world.apply(Who::Requester, world.put(file(Who::Requester, input)));
        }
        let patient = Terms {
            deadlines: Deadlines::all(ms(60)),
            ..crate::world::terms()
        };
        let mut waiting = Vec::new();
        for _ in 0..posted {
            let nonce = world.nonce(Who::Requester);
            waiting.push(OrderId::new(world.chain, Who::Requester.id(), nonce));
            let post = OrderCall::Post(Box::new(patient.clone()));
            world.apply(Who::Requester, post);
        }
        world.advance(4);
        let waits = |order: &OrderId| world.phase(*order) == Phase::Posted;
        assert!(waiting.iter().all(waits), "everybody is busy");
        world.whole_round(rounds);
        assert_eq!(world.phase(rounds), Phase::Settled);
        world.advance(3);
        // Who is asked for one of them is asked for no other.
        let asked = waiting
            .iter()
            .filter(|order| world.phase(**order) == Phase::Asked);
        assert_eq!(asked.count(), 1, "{posted} were posted");
    }
}
