//! Orders brought to each phase by the moves that lead there.

use assay_ledger::{
    AuditResults, BoundedVec, Call, OrderCall, OrderId, Phase, RunIndex, Terms, Trace,
};

use crate::world::{Run, Who, World, ends, file, file_id, lock, salt, sealed, starts, terms};

impl World {
    /// Records the inputs and posts an order.
    pub(crate) fn post(&mut self, terms: &Terms) -> OrderId {
        for input in &terms.inputs {
            let record = file(Who::Requester, &input.name);
            self.apply(Who::Requester, self.put(record));
        }
        let order = OrderId::new(self.chain, Who::Requester.id(), self.nonce(Who::Requester));
        self.apply(Who::Requester, OrderCall::Post(Box::new(terms.clone())));
        assert_eq!(self.phase(order), Phase::Posted);
        order
    }

    /// Posts an order with the usual terms.
    pub(crate) fn posted(&mut self) -> OrderId {
        self.post(&terms())
    }

    /// Waits for the draw of a list.
    pub(crate) fn ask(&mut self, order: OrderId) -> Vec<Who> {
        self.advance(1);
        assert!(self.order(order).head.asked.is_some(), "nobody is asked");
        self.ranked(order)
    }

    /// Who is asked, first in rank first.
    pub(crate) fn ranked(&self, order: OrderId) -> Vec<Who> {
        let asked = self.order(order).head.asked;
        let ranked = asked.iter().flat_map(|asked| &asked.ranked);
        ranked.map(|invited| Who::of(invited.account)).collect()
    }

    /// The answer to the list that is open now.
    pub(crate) fn answer_call(&self, order: OrderId, accept: bool) -> OrderCall {
        let place = self.order(order).list_place().unwrap();
        OrderCall::Answer { place, accept }
    }

    pub(crate) fn answer(&mut self, order: OrderId, who: Who, accept: bool) {
        self.apply(who, self.answer_call(order, accept));
    }

    /// As many of those asked accept as are needed, first in rank first, all in one block.
    pub(crate) fn accept(&mut self, order: OrderId) {
        let wanted = self.order(order).head.asked.unwrap().wanted;
        let call = self.answer_call(order, true);
        let ranked = self.ranked(order).into_iter().take(wanted.into());
        self.block(ranked.map(|who| (who, call.clone().into())).collect());
        assert!(self.order(order).head.asked.is_none(), "the list is open");
    }

    /// Waits for a list, has the first on it accept, and waits for the beacon after that.
    pub(crate) fn fill(&mut self, order: OrderId) {
        self.ask(order);
        self.accept(order);
        self.advance(1);
    }

    /// The same for several orders that wait, all in the same blocks.
    pub(crate) fn fill_all(&mut self, orders: &[OrderId]) {
        self.advance(1);
        let mut calls = Vec::new();
        for order in orders {
            let wanted = self
                .order(*order)
                .head
                .asked
                .map_or(0, |asked| asked.wanted);
            for who in self.ranked(*order).into_iter().take(wanted.into()) {
                calls.push((who, self.answer_call(*order, true).into()));
            }
        }
        self.block(calls);
        self.advance(1);
    }

    /// Finds a provider.
    pub(crate) fn assign(&mut self, order: OrderId) -> Who {
        self.fill(order);
        assert_eq!(self.phase(order), Phase::Assigned);
        self.provider(order)
    }

    pub(crate) fn grant_to_provider(&mut self, order: OrderId) {
        let grantee = self.provider(order).id();
        self.apply(
            Who::Requester,
            OrderCall::Grant {
                place: self.here(order),
                grantee,
                sealed: sealed("keys"),
            },
        );
        assert_eq!(self.phase(order), Phase::Running);
    }

    /// The provider's commitment to a run; its files are recorded first.
    pub(crate) fn commit_call(&mut self, order: OrderId, run: &Run) -> Call {
        let provider = self.provider(order);
        let segments = self.order(order).head.terms.segments();
        let name = |i| format!("checkpoint {i}");
        let records = (0..=segments)
            .map(|i| (provider, self.put(file(provider, &name(i))).into()))
            .collect();
        self.block(records);
        let checkpoints: Vec<_> = (0..segments).map(|i| file_id(&name(i))).collect();
        let call = OrderCall::CommitTrace {
            place: self.here(order),
            root: run.root(),
            checkpoints: BoundedVec::new(checkpoints).unwrap(),
            result: file_id(&name(segments)),
            counts: run.counts(),
            first_invalid: run.first_invalid(),
            lock: lock(provider).public(),
        };
        call.into()
    }

    pub(crate) fn commit(&mut self, order: OrderId, run: &Run) {
        let call = self.commit_call(order, run);
        self.apply(self.provider(order), call);
        assert_eq!(self.phase(order), Phase::Committed);
    }

    /// Finds auditors unless there are, opens the starts and grants the keys.
    pub(crate) fn open(&mut self, order: OrderId, run: &Run) -> Vec<Who> {
        if self.phase(order) == Phase::Committed {
            self.fill(order);
        }
        assert_eq!(self.phase(order), Phase::Opening);
        let provider = self.provider(order);
        let auditors = self.auditors(order);
        let openings = run.openings(&starts(&self.order(order)));
        let place = self.here(order);
        let open = OrderCall::OpenStarts { place, openings };
        let mut calls = vec![(provider, open.into())];
        for auditor in &auditors {
            let grantee = auditor.id();
            let sealed = sealed("some");
            let grant = OrderCall::Grant {
                place,
                grantee,
                sealed,
            };
            calls.push((provider, grant.into()));
        }
        self.block(calls);
        assert_eq!(self.phase(order), Phase::Auditing);
        auditors
    }

    pub(crate) fn commit_results(&mut self, order: OrderId, who: Who, results: &AuditResults) {
        let commitment = results.commitment(&self.here(order), who.id(), &salt(who));
        self.apply(
            who,
            OrderCall::CommitAudit {
                place: self.here(order),
                commitment,
            },
        );
    }

    pub(crate) fn open_ends(&mut self, order: OrderId, run: &Run) {
        assert_eq!(self.phase(order), Phase::Closing);
        let openings = run.openings(&ends(&self.order(order)));
        self.apply(
            self.provider(order),
            OrderCall::OpenEnds {
                place: self.here(order),
                openings,
            },
        );
        assert_eq!(self.phase(order), Phase::Revealing);
    }

    pub(crate) fn reveal(&mut self, order: OrderId, who: Who, results: &AuditResults) {
        let results = results.clone();
        self.apply(
            who,
            OrderCall::RevealAudit {
                place: self.here(order),
                results,
                salt: salt(who),
            },
        );
        self.deliver(order);
    }

    /// The release of the key of a run's states, as its provider makes it.
    pub(crate) fn deliver_call(&self, order: OrderId, run: RunIndex) -> OrderCall {
        let order = self.order(order);
        let place = order.work(run);
        let provider = Who::of(order.run_at(run).unwrap().provider);
        let to = order.head.terms.delivery_key;
        let release = lock(provider).release(&Trace::locked_for(&place), &to, &[9; 32]);
        let release = release.unwrap();
        OrderCall::Deliver { place, release }
    }

    /// Every provider whose run stands releases the key of its states, if it is time and none keeps them
    /// back.
    pub(crate) fn deliver(&mut self, order: OrderId) {
        if self.kept_back || self.phase(order) != Phase::Delivering {
            return;
        }
        let runs: Vec<_> = self.order(order).standing().map(|run| run.index).collect();
        for run in runs {
            let call = self.deliver_call(order, run);
            let provider = self.order(order).run_at(run).unwrap().provider;
            self.apply(Who::of(provider), call);
        }
        assert_ne!(self.phase(order), Phase::Delivering);
    }

    /// Posts an order, and brings it to the end of the provider's work.
    pub(crate) fn ran(&mut self, run: &Run) -> OrderId {
        let order = self.posted();
        self.assign(order);
        self.grant_to_provider(order);
        self.commit(order, run);
        order
    }

    /// One whole audit round of a provider's run, which is delivered if it stands; `finds` says what each auditor finds.
    pub(crate) fn audit(
        &mut self,
        order: OrderId,
        run: &Run,
        finds: impl Fn(usize, Who) -> Run,
    ) -> Vec<Who> {
        let auditors = self.open(order, run);
        let view = self.order(order);
        let found: Vec<_> = auditors
            .iter()
            .enumerate()
            .map(|(i, auditor)| (*auditor, finds(i, *auditor).results(&view)))
            .collect();
        for (auditor, results) in &found {
            self.commit_results(order, *auditor, results);
        }
        self.open_ends(order, run);
        for (auditor, results) in &found {
            self.reveal(order, *auditor, results);
        }
        auditors
    }

    /// An order whose honest run was audited and stands; it is delivered unless keys are kept back.
    pub(crate) fn accepted_by_audit(&mut self) -> OrderId {
        let truth = Run::truth(&terms());
        let order = self.ran(&truth);
        self.audit(order, &truth, |_, _| truth.clone());
        order
    }

    /// The same, delivered.
    pub(crate) fn accepted(&mut self) -> OrderId {
        let order = self.accepted_by_audit();
        assert_eq!(self.phase(order), Phase::Accepted);
        order
    }

    /// Both parties bisect honestly about their runs until validators have to decide.
    pub(crate) fn bisect(&mut self, order: OrderId, provided: &Run, challenged: &Run) {
        while self.phase(order) == Phase::Bisecting {
            let dispute = self.order(order).dispute().cloned().unwrap();
            let step = dispute.middle().unwrap();
            let opening = provided.opening(step);
            let provider = self.provider(order);
            let challenger = Who::of(dispute.challenger);
            let (leaf, path) = (opening.leaf(), Some(opening.path));
            self.apply(
                provider,
                OrderCall::Bisect {
                    place: self.here(order),
                    step,
                    leaf,
                    path,
                },
            );
            let leaf = challenged.at(step);
            self.apply(
                challenger,
                OrderCall::Bisect {
                    place: self.here(order),
                    step,
                    leaf,
                    path: None,
                },
            );
        }
        assert_eq!(self.phase(order), Phase::Attesting);
    }
}
