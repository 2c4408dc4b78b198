//! The newer of the two files of a record, on its own.

use std::fs;
use std::time::Duration;

use super::super::file::Writer;
use super::super::{Event, Fate, Flaw, Request, Trace};
use super::files::folder;

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
