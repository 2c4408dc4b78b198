//! One replica's slots: who has how many of them. What nobody has is the pool.

use std::collections::BTreeMap;

use super::super::{MemberId, UNLIMITED};
use super::settle::Unheard;

/// What a member has of one replica.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) slots: u32,
    /// What it was told to keep of them, since there are too many.
    pub(super) keeps: Option<u32>,
}

/// One replica's slots.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// How many it has; `None` while it is not ready.
    pub(super) slots: Option<u32>,
    /// How many it had when it was ready last.
    had: Option<u32>,
    pub(super) retired: bool,
    /// Whether it was ready in this reign.
    pub(super) known: bool,
    pub(super) held: BTreeMap<MemberId, Held>,
    /// What those held whose requests may still run there.
    pub(super) withheld: BTreeMap<MemberId, u32>,
    /// What somebody may hold from whom nothing was heard in this reign.
    pub(super) unclaimed: u32,
}

impl Ledger {
    /// Whether its slots are given out.
    pub(super) fn is_live(&self) -> bool {
        self.slots.is_some() && !self.retired
    }

    pub(super) fn is_unlimited(&self) -> bool {
        self.slots == Some(UNLIMITED)
    }

    /// Whether its slots are counted: they are given out, and there is an end to them.
    pub(super) fn counts(&self) -> bool {
        self.is_live() && !self.is_unlimited()
    }

    pub(super) fn held_by(&self, member: &MemberId) -> u32 {
        self.held.get(member).map_or(0, |held| held.slots)
    }

    /// What a member may use of what counts: what it holds above the slots there are, it is to
    /// return.
    pub(super) fn counted(&self, member: &MemberId) -> u64 {
        let slots = self.slots.filter(|_| self.counts()).unwrap_or(0);
        self.held_by(member).min(slots).into()
    }

    /// What is not to be had, whoever has it.
    pub(super) fn taken(&self) -> u64 {
        let held = self.held.values().map(|held| u64::from(held.slots));
        let withheld = self.withheld.values().map(|&slots| u64::from(slots));
        held.chain(withheld).sum::<u64>() + u64::from(self.unclaimed)
    }

    /// What is to be given out, of a replica with a hard limit.
    pub(super) fn pool(&self) -> u32 {
        let slots = self.slots.filter(|_| self.counts()).unwrap_or(0);
        u32::try_from(u64::from(slots).saturating_sub(self.taken())).unwrap_or(0)
    }

    /// More is held than it has slots.
    pub(super) fn is_crowded(&self) -> bool {
        let slots = self.slots.filter(|_| self.counts());
        slots.is_some_and(|slots| self.taken() > u64::from(slots))
    }

    /// Nothing is known of it that would have to be remembered: while somebody is unheard, that
    /// nobody unheard holds anything of it.
    pub(super) fn is_blank(&self, unheard: Unheard) -> bool {
        let forgets = !self.known || matches!(unheard, Unheard::Nobody);
        self.slots.is_none() && self.is_vacant() && forgets
    }

    /// Nobody has anything of it.
    pub(super) fn is_vacant(&self) -> bool {
        self.held.is_empty() && self.withheld.is_empty() && self.unclaimed == 0
    }

    pub(super) fn credit(&mut self, member: &MemberId, slots: u32) {
        let held = self.held.entry(member.clone()).or_default();
        held.slots = held.slots.saturating_add(slots);
        held.keeps = None;
    }

    pub(super) fn debit(&mut self, member: &MemberId, slots: u32) {
        if let Some(held) = self.held.get_mut(member) {
            held.slots = held.slots.saturating_sub(slots);
        }
        self.held.retain(|_, held| held.slots > 0);
    }

    /// It has so many slots from now on. What may be held unheard is as much as there may have been.
    pub(super) fn resize(&mut self, slots: u32) {
        self.slots = Some(slots);
        let before = self.had.replace(slots);
        if self.unclaimed == 0 || before == Some(slots) {
            return;
        }
        let more = slots.saturating_sub(before.unwrap_or(slots));
        self.unclaimed = match slots {
            UNLIMITED => UNLIMITED,
            _ if self.unclaimed == UNLIMITED => slots,
            _ => self.unclaimed.saturating_add(more),
        };
    }

    /// What nobody claims may be held by somebody from whom nothing was heard.
    pub(super) fn disclaim(&mut self) {
        self.unclaimed = match self.slots {
            None => 0,
            Some(UNLIMITED) => UNLIMITED,
            Some(slots) => {
                let left = u64::from(slots).saturating_sub(self.taken());
                self.unclaimed
                    .saturating_add(u32::try_from(left).unwrap_or(0))
            }
        };
    }

    /// A member says that so many of those are its.
    pub(super) fn claim(&mut self, slots: u32) {
        if !self.is_unlimited() && self.unclaimed != UNLIMITED {
            self.unclaimed = self.unclaimed.saturating_sub(slots);
        }
    }
}
