//! What a fair line promises in numbers: equal shares, and an end to every wait.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use holdgate::admission::{Admission, Class, Seat, Tenant, Terms, Ticket, Verdict};
use holdgate::revision::{ContainerConcurrency, QueueLimits, QueueOrder, ReplicaId};
use proptest::prelude::*;

const SERVICE: Duration = Duration::from_secs(1);

/// One replica with one slot, and everybody who waits for it.
struct Door {
    admission: Admission<()>,
    now: Instant,
    running: Option<Seat>,
    waiting: BTreeMap<Ticket, (Terms, Instant)>,
}

impl Door {
    fn new(ageing: Duration, max_tenants: usize) -> Self {
        let now = tokio::time::Instant::now().into_std();
        let order = QueueOrder::Fair {
            ageing,
            max_tenants,
        };
        let bounds = QueueLimits {
            max_requests: 10_000,
            max_bytes: 0,
            timeout: Duration::ZERO,
            cold_timeout: Duration::ZERO,
            read_ahead: 0,
            order,
        };
        let mut admission = Admission::new(ContainerConcurrency::new(1), bounds, now);
        admission.set_replicas(&[(ReplicaId(0), ())], now);
        Self {
            admission,
            now,
            running: None,
            waiting: BTreeMap::new(),
        }
    }

    fn arrive(&mut self, class: Class, tenant: u64) -> Option<Ticket> {
        let terms = Terms {
            class,
            tenant: Tenant(tenant),
            deadline: None,
        };
        match self.admission.arrive_on(0, self.now, || Ok(terms)) {
            Verdict::Admitted(_, seat) => {
                self.running = Some(seat);
                None
            }
            Verdict::Queued(ticket) => {
                self.waiting.insert(ticket, (terms, self.now));
                Some(ticket)
            }
            verdict => panic!("{verdict:?} with room for all"),
        }
    }

    /// The one that runs ends: who is next, and since when it waited.
    fn serve(&mut self) -> Option<(Ticket, Terms, Instant)> {
        let seat = self.running.take()?;
        self.now += SERVICE;
        let left = self.admission.leave(seat, SERVICE, self.now);
        let grant = left.grant?;
        self.running = Some(grant.seat);
        let (terms, since) = self.waiting.remove(&grant.ticket).expect("it waited");
        Some((grant.ticket, terms, since))
    }

    fn waits(&self, tenant: u64) -> usize {
        let of = |(terms, _): &&(Terms, Instant)| terms.tenant == Tenant(tenant);
        self.waiting.values().filter(of).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// While two tenants both wait all the time, neither is ever served two more than the other,
    /// counted from any moment on, however many others come and go.
    #[test]
    fn tenants_that_wait_are_served_in_turn(
        steps in prop::collection::vec((0..6u64, 0..4usize, any::<bool>()), 1..300),
    ) {
        let mut door = Door::new(Duration::from_secs(1 << 30), 1000);
        door.arrive(Class::Default, 0);
        // How much further the first of a pair is, and the least and the most that it was.
        let mut ahead: BTreeMap<(u64, u64), (i32, i32, i32)> = BTreeMap::new();
        for (tenant, count, serves) in steps {
            for _ in 0..count {
                door.arrive(Class::Default, tenant);
            }
            let served = if serves { door.serve() } else { None };
            for a in 0..6 {
                for b in (0..6).filter(|b| *b != a) {
                    let by = |t: u64| served.is_some_and(|(_, terms, _)| terms.tenant == Tenant(t));
                    // Who was served waited until just now.
                    let waits = |t: u64| door.waits(t) > 0 || by(t);
                    if !(waits(a) && waits(b)) {
                        ahead.remove(&(a, b));
                        continue;
                    }
                    let (now, least, most) = ahead.entry((a, b)).or_default();
                    *now += i32::from(by(a)) - i32::from(by(b));
                    (*least, *most) = ((*least).min(*now), (*most).max(*now));
                    prop_assert!(*most - *least <= 1, "{a} and {b}: {least} to {most}");
                    if door.waits(a) == 0 || door.waits(b) == 0 {
                        ahead.remove(&(a, b));
                    }
                }
            }
        }
    }

    /// However many more important requests there always are, from however many tenants: bulk waits
    /// no longer than three ageings, and then one request of each tenant for each that its own
    /// tenant has before it.
    #[test]
    fn nobody_waits_for_ever(
        tenants in 1..5u64,
        each in 1..5usize,
        class in 0..3u8,
        ageing in 1..40u32,
        of in 0..5u64,
    ) {
        let mut door = Door::new(ageing * SERVICE, 1000);
        let top_up = |door: &mut Door| {
            for tenant in 0..tenants {
                while door.waits(tenant) < each + usize::from(tenant == of) {
                    door.arrive(Class::numbered(class), tenant);
                }
            }
        };
        top_up(&mut door);
        let bulk = door.arrive(Class::Bulk, of).expect("it waits");
        let turns = u32::try_from((tenants + 1) * (each as u64 + 2)).expect("few");
        let longest = 3 * ageing * SERVICE + turns * SERVICE;
        let began = door.now;
        loop {
            top_up(&mut door);
            let (ticket, ..) = door.serve().expect("somebody waits");
            let waited = door.now - began;
            prop_assert!(waited <= longest, "{waited:?} of {longest:?}");
            if ticket == bulk {
                break;
            }
        }
    }

    /// Those for whom there is no share of their own have one together.
    #[test]
    fn tenants_beyond_the_bound_share_one_turn(own in 1..4u64, others in 1..20u64) {
        let mut door = Door::new(Duration::from_secs(1 << 30), usize::try_from(own).expect("few"));
        door.arrive(Class::Default, 1000);
        for _ in 0..5 {
            for tenant in 0..own + others {
                // The first to come have the shares.
                door.arrive(Class::Default, tenant);
            }
        }
        let turns = usize::try_from(own + 1).expect("few") * 5;
        let served: Vec<u64> = (0..turns).filter_map(|_| door.serve()).map(|(_, t, _)| t.tenant.0).collect();
        for tenant in 0..own {
            prop_assert_eq!(served.iter().filter(|t| **t == tenant).count(), 5);
        }
        prop_assert_eq!(served.iter().filter(|t| **t >= own).count(), 5);
    }
}
