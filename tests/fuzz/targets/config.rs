//! Any text as a configuration file: it is read or refused, never anything else, and every
//! complaint names a place in it and takes one line.
#![no_main]

use std::path::Path;

use holdgate::config::{Complaint, Origin, Overrides, load_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Err(complaints) = load_text(Path::new("fuzz.yaml"), text, &Overrides::default()) else {
        return;
    };
    assert!(!complaints.is_empty(), "refused without a reason");
    for complaint in &complaints {
        check_place(complaint, text, complaints.len());
        let told = complaint.to_string();
        assert_eq!(told.lines().count(), 1, "more than a line: {told:?}");
    }
});

fn check_place(complaint: &Complaint, text: &str, complaints: usize) {
    match &complaint.origin {
        // One more than there are: something is missing at the end.
        Origin::File { line, column, .. } => {
            let lines = 1 + text.split(['\n', '\r']).count();
            assert!((1..=lines).contains(line), "{complaint} of {lines} lines");
            assert!(*column > 0, "{complaint}");
        }
        // Only a file with nothing in it has no line that could be named.
        Origin::WholeFile(_) => {
            assert_eq!(complaints, 1, "{complaint}");
            assert!(complaint.message.contains("empty"), "{complaint}");
        }
        origin => panic!("{origin:?} is no place in the file"),
    }
}
