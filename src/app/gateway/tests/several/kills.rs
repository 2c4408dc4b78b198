//! Gateways that are killed: what they sent may run on in the pods.

use super::super::super::sharing::Standing;
use super::*;
use crate::peers::Restart;

impl Installation {
    /// A gateway sends what a pod works on for so long, whether anybody waits for it or not.
    fn send(&self, number: usize, service: Duration) {
        let revision = self.post(number).registry.by_host(HOST);
        let revision = revision.expect("it is claimed");
        let Arrival::Admitted(mut permit) = revision.throttler.arrive(0) else {
            panic!("it has a slot");
        };
        permit.used(crate::sync::now());
        let inside = Inside::enter(&self.city, permit.replica().endpoint.0);
        tokio::spawn(async move {
            sleep(service).await;
            drop((inside, permit));
        });
    }

    /// All slots that these may use.
    fn slots_of(&self, gateways: &[usize]) -> u32 {
        gateways.iter().map(|number| self.slots(*number)).sum()
    }
}

/// Of so many gateways, each with a slot, the last is killed while it has sent something that takes
/// `service`, where nothing took longer than `longest`. How long its slot is not had by anybody.
async fn withheld(gateways: usize, longest: Option<Duration>, service: Duration) -> Duration {
    let replicas = u32::try_from(gateways).expect("few");
    let mut installation = Installation::new(replicas, 1, gateways).await;
    let last = gateways - 1;
    if let Some(longest) = longest {
        installation.send(last, longest);
        sleep(longest + secs(2)).await;
    }
    let left: Vec<usize> = (0..last).collect();
    assert_eq!(installation.slots(last), 1);
    installation.send(last, service);
    sleep(ms(100)).await;
    installation.kill(last).await;
    let begun = Instant::now();
    // As many as there are slots: nothing more is asked for.
    let load = installation.load(&[0], gateways, ms(200), secs(400));
    while installation.slots_of(&left) < replicas {
        sleep(ms(10)).await;
        assert!(begun.elapsed() < secs(390), "it never comes back");
    }
    let withheld = begun.elapsed();
    load.over().await;
    assert_eq!(installation.city.fullest(), 1);
    if left == [0] {
        assert_eq!(installation.standing(0), Standing::Alone);
    }
    withheld
}

#[tokio::test(start_paused = true)]
async fn the_slots_of_a_member_that_was_killed_wait_until_what_it_sent_has_ended() {
    for gateways in [2, 3] {
        let known = withheld(gateways, Some(secs(6)), secs(5)).await;
        assert!(known > ms(5900) && known < ms(6200), "{known:?}");
        let unknown = withheld(gateways, None, secs(200)).await;
        assert!(
            unknown > ms(299_900) && unknown < ms(300_200),
            "{unknown:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_slots_of_a_leader_that_was_killed_are_had_after_the_longest_answer_and_no_later() {
    let mut installation = Installation::new(6, 1, 3).await;
    let load = installation.load(&[1, 2], 2, ms(300), secs(20));
    let dying = installation.load(&[0], 2, ms(300), secs(20));
    sleep(secs(5)).await;
    installation.kill(0).await;
    installation.leads(1);
    sleep(ms(250)).await;
    assert!(installation.slots_of(&[1, 2]) < 6, "something may run");
    sleep(ms(150)).await;
    assert_eq!(installation.slots_of(&[1, 2]), 6);
    load.over().await;
    drop(dying);
    assert_eq!(installation.city.fullest(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_learns_first_what_took_longest_at_the_one_before() {
    let mut installation = Installation::new(3, 1, 3).await;
    let load = installation.load(&[1, 2], 1, ms(300), secs(5));
    sleep(secs(2)).await;
    // What was left behind comes late, and the book is made up without it only after a while.
    installation.post(1).learned.send_replace(false);
    installation.kill(0).await;
    installation.leads(1);
    sleep(secs(1)).await;
    assert_eq!(installation.slots_of(&[1, 2]), 2);
    sleep(ms(600)).await;
    assert_eq!(installation.slots_of(&[1, 2]), 3);
    load.over().await;
}

#[tokio::test(start_paused = true)]
async fn where_all_crashed_the_first_that_runs_again_waits_for_what_they_sent() {
    let mut installation = Installation::new(1, 1, 1).await;
    installation.send(0, secs(5));
    installation.kill(0).await;
    // It is to be started again in its pod, and another is sooner.
    installation.pods[0].restarted = Some(Restart {
        before: crate::sync::wall(),
        heard: crate::sync::now(),
    });
    let next = installation.start();
    installation.leads(next);
    sleep(secs(290)).await;
    assert_eq!(
        installation.slots(next),
        0,
        "nobody knows how long it takes"
    );
    sleep(secs(20)).await;
    assert_eq!(installation.standing(next), Standing::Alone);
}

#[tokio::test(start_paused = true)]
async fn an_only_gateway_that_begins_after_a_crash_waits_for_what_was_sent_before() {
    for late in [Duration::ZERO, ms(500)] {
        let mut installation = Installation::new(2, 1, 1).await;
        installation.send(0, secs(200));
        installation.kill(0).await;
        installation.late = late;
        let next = installation.start();
        installation.leads(next);
        let begun = Instant::now();
        sleep(2 * late).await;
        let load = installation.load(&[next], 2, ms(200), secs(310));
        while installation.slots(next) == 0 || installation.standing(next) != Standing::Alone {
            sleep(ms(10)).await;
            assert!(begun.elapsed() < secs(310), "it waits for ever");
        }
        let waited = begun.elapsed();
        assert!(waited > secs(299), "nobody knows how long it takes");
        load.over().await;
        assert_eq!(installation.city.fullest(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_only_gateway_after_one_that_ended_in_order_has_all_slots_as_soon_as_it_has_the_lease() {
    let mut installation = Installation::new(2, 1, 1).await;
    installation.end(0).await;
    installation.crashes = false;
    let next = installation.start();
    sleep(secs(2)).await;
    assert_eq!(
        (installation.standing(next), installation.slots(next)),
        (Standing::Unknown, 0),
        "the lease may have been left lying"
    );
    installation.leads(next);
    sleep(secs(1)).await;
    assert_eq!(installation.standing(next), Standing::Alone);
    assert_eq!(installation.slots(next), 2);
}

#[tokio::test(start_paused = true)]
async fn an_only_gateway_that_cannot_have_the_lease_does_without_in_the_end() {
    let mut installation = Installation::new(2, 1, 1).await;
    installation.end(0).await;
    let next = installation.start();
    sleep(secs(8)).await;
    assert_eq!(installation.standing(next), Standing::Unknown);
    sleep(secs(4)).await;
    assert_eq!(installation.standing(next), Standing::Alone);
}
