//! Answering when one is asked to take part in an order.

use assay_ledger::{AccountId, OrderCall, Place, Role};

use crate::desk::Desk;
use crate::party::{Ask, CallTag, Tag, What};
use crate::view::View;

/// Whether the answer of `me` may matter: not while those above it in rank can fill every place. An answer
/// that is not needed costs its fee, and the list is mostly closed before it arrives; so it is held
/// back, but for a quarter of the window only, lest silence above be mistaken for it.
fn is_needed(view: &View, me: AccountId) -> bool {
    let Some(asked) = &view.order.head.asked else {
        return false;
    };
    let above = asked.ranked.iter().take_while(|of| of.account != me);
    let open = above.filter(|of| of.accepts != Some(false)).count();
    open < usize::from(asked.wanted) || view.is_past_a_quarter()
}

/// What a party that may be asked has found out about the order it is asked for.
///
/// It takes part if its machine can do what the public terms ask for: with the keys it would get to see
/// more, and could not go back for nothing.
#[derive(Default)]
pub(super) struct Consent {
    /// The list it is on, and whether the machine can do the work.
    weighed: Option<(Place, bool)>,
}

impl Consent {
    /// Answers if `me` is on a list for `role` and has not answered; says whether it is on one.
    pub(super) fn act(&self, view: &View, (me, role): (AccountId, Role), desk: &mut Desk) -> bool {
        let order = &view.order;
        let asked = order.head.asked.as_ref().filter(|asked| asked.role == role);
        let (Some(_), Some(place)) = (asked, order.list_place()) else {
            return false;
        };
        if !order.is_asked(me) {
            return false;
        }
        if !order.has_to_answer(me) || !is_needed(view, me) {
            return true;
        }
        let what = What::Weigh;
        match self.weighed.filter(|(weighed, _)| *weighed == place) {
            Some((_, accept)) => desk.submit(place, CallTag::Answer, view.height, || {
                Some(OrderCall::Answer { place, accept })
            }),
            None => drop(desk.ask(Tag { place, what }, view.height, || Some(Ask::Weigh))),
        }
        true
    }

    /// Notes what the machine can do.
    pub(super) fn weighed(&mut self, tag: Tag, result: Result<(), String>, desk: &mut Desk) {
        if let Err(why) = &result {
            desk.trouble(why);
        }
        self.weighed = Some((tag.place, result.is_ok()));
    }
}
