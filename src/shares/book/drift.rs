//! Where nothing idles, shares follow the demand.

use super::super::{MemberId, Order};
use super::{Book, Orders};
use crate::counting::count;

/// What is asked of a member, and how many slots it has for that.
struct Share {
    member: MemberId,
    demand: u64,
    has: u64,
}

impl Book {
    /// Moves shares from who has most for what is asked of it to who has least, while that makes
    /// them more alike.
    pub(super) fn follow_demand(&mut self, orders: &mut Orders) {
        let share = |(id, member): (&MemberId, &super::Member)| Share {
            member: id.clone(),
            demand: member.demand,
            has: member.held.saturating_sub(member.owes),
        };
        let mut shares: Vec<Share> = self.heard().map(share).collect();
        let coming: u64 = self.heard().map(|(_, member)| member.owes).sum();
        for _ in 0..coming {
            if let Some(to) = poorest(&shares) {
                shares[to].has += 1;
            }
        }
        let before: Vec<u64> = shares.iter().map(|share| share.has).collect();
        level(&mut shares);
        for (before, share) in before.into_iter().zip(shares) {
            let member = self.members.get_mut(&share.member).expect("it was heard");
            let gives = before.saturating_sub(share.has);
            let gives = gives.min(member.held.saturating_sub(member.owes));
            if gives > 0 {
                member.owes += gives;
                orders.push((share.member, Order::Recall(count(gives))));
            }
        }
    }
}

fn level(shares: &mut [Share]) {
    while let (Some(to), Some(from)) = (poorest(shares), richest(shares)) {
        let (gets, gives) = (&shares[to], &shares[from]);
        if gets.demand * gives.has <= gives.demand * (gets.has + 1) {
            return;
        }
        shares[from].has -= 1;
        shares[to].has += 1;
    }
}

/// Who has least for what is asked of it, with one more.
fn poorest(shares: &[Share]) -> Option<usize> {
    (0..shares.len()).max_by(|&a, &b| {
        let (a, b) = (&shares[a], &shares[b]);
        (a.demand * (b.has + 1)).cmp(&(b.demand * (a.has + 1)))
    })
}

/// Who has most for what is asked of it.
fn richest(shares: &[Share]) -> Option<usize> {
    let have = (0..shares.len()).filter(|&at| shares[at].has > 0);
    have.min_by(|&a, &b| {
        let (a, b) = (&shares[a], &shares[b]);
        (a.demand * b.has).cmp(&(b.demand * a.has))
    })
}
