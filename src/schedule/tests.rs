//! The hours of a schedule, the two Sundays of daylight saving among them.

use super::*;

fn at(text: &str) -> SystemTime {
    let zoned: Zoned = text.parse().expect("a moment with its zone");
    zoned.timestamp().into()
}

fn entry(cron: &str, zone: &str, lasts: Option<u64>, replicas: u32) -> Entry {
    let zone = TimeZone::get(zone).expect("a known zone");
    let lasts = lasts.map(|minutes| A_MINUTE * u32::try_from(minutes).expect("few"));
    Entry::new(cron, zone, lasts, replicas).expect("a sound entry")
}

fn berlin(cron: &str, lasts: Option<u64>, replicas: u32) -> Schedule {
    Schedule(vec![entry(cron, "Europe/Berlin", lasts, replicas)])
}

/// What holds at each moment in Berlin, and when it changes next.
#[track_caller]
fn check(schedule: &Schedule, table: &[(&str, Option<u32>, &str)]) {
    for (moment, floor, change) in table {
        let moment = format!("{moment}[Europe/Berlin]");
        assert_eq!(schedule.floor_at(at(&moment)), *floor, "at {moment}");
        let next = schedule.changes_within(at(&moment), 7 * 24 * 60 * A_MINUTE);
        let next = next.expect("it changes");
        let change = format!("{change}[Europe/Berlin]");
        let told = Timestamp::try_from(next).expect("a date").to_string();
        assert_eq!(next, at(&change), "after {moment}: {told}");
    }
}

#[test]
fn the_floor_rises_at_each_match_and_for_as_long_as_is_written() {
    let week = berlin("0 8 * * MON-FRI", Some(600), 2);
    //                  2026-03-02 is a Monday
    check(
        &week,
        &[
            ("2026-03-02T07:59:59", None, "2026-03-02T08:00:00"),
            ("2026-03-02T08:00:00", Some(2), "2026-03-02T18:00:00"),
            ("2026-03-02T17:59:59", Some(2), "2026-03-02T18:00:00"),
            ("2026-03-02T18:00:00", None, "2026-03-03T08:00:00"),
            ("2026-03-06T20:00:00", None, "2026-03-09T08:00:00"),
        ],
    );
}

#[test]
fn a_range_of_minutes_needs_no_length_and_is_one_stretch() {
    let hours = berlin("* 8-17 * * *", None, 3);
    check(
        &hours,
        &[
            ("2026-03-02T07:00:00", None, "2026-03-02T08:00:00"),
            ("2026-03-02T08:00:30", Some(3), "2026-03-02T18:00:00"),
            ("2026-03-02T17:59:59", Some(3), "2026-03-02T18:00:00"),
            ("2026-03-02T18:00:00", None, "2026-03-03T08:00:00"),
        ],
    );
}

#[test]
fn of_overlapping_entries_the_largest_number_holds() {
    let Schedule(mut entries) = berlin("0 8 * * *", Some(120), 2);
    entries.push(entry("0 9 * * *", "Europe/Berlin", Some(30), 5));
    entries.push(entry("15 9 * * *", "Europe/Berlin", Some(5), 1));
    check(
        &Schedule(entries),
        &[
            ("2026-03-02T08:00:00", Some(2), "2026-03-02T09:00:00"),
            ("2026-03-02T09:10:00", Some(5), "2026-03-02T09:30:00"),
            ("2026-03-02T09:30:00", Some(2), "2026-03-02T10:00:00"),
        ],
    );
}

#[test]
fn a_stretch_that_matches_again_before_its_end_goes_on() {
    let days = berlin("0 0 * * MON", Some(8 * 24 * 60), 1);
    let monday = at("2026-03-02T12:00:00[Europe/Berlin]");
    assert_eq!(days.floor_at(monday), Some(1));
    let year = 365 * 24 * 60 * A_MINUTE;
    assert_eq!(days.changes_within(monday, year), None, "it never ends");
}

#[test]
fn the_day_that_loses_an_hour_keeps_its_lengths() {
    // On 2026-03-29 it is 3 o'clock right after 01:59:59.
    check(
        &berlin("0 1 * * *", Some(120), 2),
        &[
            ("2026-03-28T01:00:00", Some(2), "2026-03-28T03:00:00"),
            ("2026-03-29T01:00:00", Some(2), "2026-03-29T04:00:00"),
            ("2026-03-30T00:59:59", None, "2026-03-30T01:00:00"),
        ],
    );
    // What is written for the lost hour comes at its end.
    check(
        &berlin("30 2 * * *", Some(60), 2),
        &[
            ("2026-03-29T01:59:59", None, "2026-03-29T03:00:00"),
            ("2026-03-29T03:00:00", Some(2), "2026-03-29T04:00:00"),
            ("2026-03-29T04:00:00", None, "2026-03-30T02:30:00"),
        ],
    );
    // Eight o'clock is eight o'clock before and after.
    check(
        &berlin("0 8 * * *", Some(60), 2),
        &[
            ("2026-03-28T09:00:00", None, "2026-03-29T08:00:00"),
            ("2026-03-29T08:00:00", Some(2), "2026-03-29T09:00:00"),
        ],
    );
}

#[test]
fn the_day_that_repeats_an_hour_begins_a_stretch_once() {
    // On 2026-10-25 the hour from 2 o'clock comes twice, first at +02:00, then at +01:00.
    check(
        &berlin("30 2 * * *", Some(60), 2),
        &[
            (
                "2026-10-25T02:29:59+02:00",
                None,
                "2026-10-25T02:30:00+02:00",
            ),
            (
                "2026-10-25T02:30:00+02:00",
                Some(2),
                "2026-10-25T02:30:00+01:00",
            ),
            (
                "2026-10-25T02:30:00+01:00",
                None,
                "2026-10-26T02:30:00+01:00",
            ),
        ],
    );
    // A range of minutes holds in both.
    check(
        &berlin("* 2 * * *", None, 2),
        &[
            (
                "2026-10-25T01:59:59+02:00",
                None,
                "2026-10-25T02:00:00+02:00",
            ),
            (
                "2026-10-25T02:59:59+02:00",
                Some(2),
                "2026-10-25T03:00:00+01:00",
            ),
            (
                "2026-10-25T02:00:00+01:00",
                Some(2),
                "2026-10-25T03:00:00+01:00",
            ),
        ],
    );
}

#[test]
fn the_zone_says_what_eight_is() {
    let tokyo = Schedule(vec![entry("0 8 * * *", "Asia/Tokyo", Some(60), 2)]);
    assert_eq!(
        tokyo.floor_at(at("2026-03-02T00:00:00[Europe/Berlin]")),
        Some(2)
    );
    assert_eq!(
        tokyo.floor_at(at("2026-03-02T08:00:00[Europe/Berlin]")),
        None
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let new = |cron: &str, lasts| Entry::new(cron, TimeZone::UTC, lasts, 1).err();
    assert_eq!(new("0 8 * * *", None), Some(NoSchedule::LoneMinutes));
    assert_eq!(new("0,30 8,12 * * *", None), Some(NoSchedule::LoneMinutes));
    assert_eq!(new("0 8 31 2 *", Some(A_MINUTE)), Some(NoSchedule::Never));
    assert_eq!(new("0,30-35 8 * * *", None), None);
    for cron in [
        "",
        "8",
        "0 25 * * *",
        "0 0 8 * * *",
        "0 8 * * MOON",
        "0 8 * * * 2026",
    ] {
        let refused = new(cron, Some(A_MINUTE));
        assert!(matches!(refused, Some(NoSchedule::Unreadable(_))), "{cron}");
    }
}

/// A schedule that begins in five minutes from now and lasts for ten, whatever the hour.
fn soon() -> Schedule {
    let begin = Timestamp::try_from(wall() + 5 * A_MINUTE).expect("a date");
    let begin = begin.to_zoned(TimeZone::UTC);
    let (minute, hour) = (begin.minute(), begin.hour());
    let cron = format!("{minute} {hour} * * *");
    Schedule(vec![entry(&cron, "UTC", Some(10), 4)])
}

#[tokio::test(start_paused = true)]
async fn the_floor_is_published_when_it_changes_and_a_new_schedule_at_once() {
    let (schedules, schedule) = watch::channel(soon());
    let (sender, mut floor) = watch::channel(None);
    let publishing = tokio::spawn(publish(schedule, sender));
    let begun = tokio::time::Instant::now();
    floor.changed().await.expect("it is published");
    let gone = begun.elapsed();
    assert_eq!(*floor.borrow_and_update(), Some(4));
    assert!(gone > 4 * A_MINUTE && gone <= 5 * A_MINUTE, "{gone:?}");

    let begun = tokio::time::Instant::now();
    floor.changed().await.expect("it is published");
    let gone = begun.elapsed().as_millis();
    assert_eq!(*floor.borrow_and_update(), None);
    assert!(gone.abs_diff(600_000) < 1_000, "{gone}");

    schedules.send_replace(berlin("* * * * *", None, 1));
    let begun = tokio::time::Instant::now();
    floor.changed().await.expect("it is published");
    assert_eq!(*floor.borrow_and_update(), Some(1));
    assert!(begun.elapsed() < A_MINUTE);
    drop(floor);
    publishing.await.expect("it ends when nobody listens");
}
