//! The newer of the two files of a record, on its own.

use std::fs;
use std::time::Duration;

use super::super::file::Writer;
use super::super::{Event, Fate, Flaw, Request, Standing, Trace};
use super::files::folder;
use crate::admission::Class;

#[test]
fn the_newer_file_of_a_record_is_understood_without_the_older_one() {
    let (folder, file) = folder();
    let mut writer = Writer::begin(&file, 72 << 10, 1).unwrap();
    writer.name("m");
    let came = |ticket| {
        let (announced, replica) = (1, 1);
        let event = Event::Admitted {
            ticket,
            announced,
            replica,
        };
        (1000 + ticket, event)
    };
    let went = |ticket| {
        let (done, fate) = (true, Fate::ClientLeft);
        (2000 + ticket, Event::Over { ticket, done, fate })
    };
    let most = 1000;
    for ticket in 0..most {
        writer.tell(0, [came(ticket)]).unwrap();
        if ticket % 2 == 0 {
            writer.tell(0, [went(ticket)]).unwrap();
        }
        writer.flush().unwrap();
    }
    drop(writer);
    fs::remove_file(folder.path().join("t.1")).unwrap();

    let trace = Trace::read(&file).unwrap();

    assert_eq!(trace.flaws, [Flaw::BeginningGone]);
    let requests = &trace.revisions[0].requests;
    let is_here = |request: &&Request| request.over.is_none();
    let here = u64::try_from(requests.iter().filter(is_here).count()).unwrap();
    assert_eq!(here, most / 2, "who is still there is told of again");
    let last = requests.last().map(|request| request.arrived.at());
    let at = Duration::from_nanos(1000 + most - 1);
    assert_eq!(last, Some(at));
}

#[test]
fn on_what_terms_a_request_came_is_known_in_whichever_file_it_is() {
    let (folder, file) = folder();
    let mut writer = Writer::begin(&file, 72 << 10, 1).unwrap();
    writer.name("m");
    let terms = |tenant| Event::Terms {
        class: 0,
        tenant,
        deadline: Some((9_000_000_000, true)),
    };
    let most = 1000;
    for ticket in 0..most {
        let announced = 1;
        let events = [terms(ticket), Event::Queued { ticket, announced }];
        writer
            .tell(0, events.map(|event| (1_000_000_000, event)))
            .unwrap();
        writer.flush().unwrap();
    }
    let (announced, reason) = (2, crate::trace::Reason::QueueFull);
    let events = [terms(7), Event::TurnedAway { announced, reason }];
    let plain = Event::Queued {
        ticket: most,
        announced,
    };
    let events = events.into_iter().chain([plain]);
    writer
        .tell(0, events.map(|event| (2_000_000_000, event)))
        .unwrap();
    writer.flush().unwrap();
    drop(writer);
    fs::remove_file(folder.path().join("t.1")).unwrap();

    let trace = Trace::read(&file).unwrap();

    let requests = &trace.revisions[0].requests;
    let whole = usize::try_from(most).unwrap();
    assert_eq!(requests.len(), whole + 2);
    for (tenant, request) in (0..).zip(&requests[..whole]) {
        let standing = request.standing;
        assert_eq!((standing.class, standing.tenant.0), (Class::System, tenant));
        assert_eq!(standing.within, Some((Duration::from_secs(8), true)));
    }
    assert_eq!(requests[whole].standing.tenant.0, 7);
    assert_eq!(requests[whole + 1].standing, Standing::default());
}
