//! What is said of a record before it is lived through again.

use super::*;
use crate::config::{Overrides, load_text};
use crate::trace::RevisionTrace;

#[test]
fn a_record_of_one_that_came_back_says_which_of_its_lives_is_lived_through() {
    let told = |names: &[&str]| {
        let of = |name: &&str| RevisionTrace {
            name: (*name).to_owned(),
            ..RevisionTrace::default()
        };
        let trace = Trace {
            revisions: names.iter().map(of).collect(),
            ..Trace::default()
        };
        let file = Some(File::Record(Arc::new(trace)));
        let (described, begins) = (Description::default(), UNIX_EPOCH);
        let source = Source {
            described,
            file,
            begins,
        };
        let text = "revisions:\n- { name: m, process: { command: [serve] } }\n";
        let config = load_text(Path::new("a.yaml"), text, &Overrides::default());
        source.notes(&config.expect("sound").revisions)
    };
    assert_eq!(told(&["m", "x", "x"]), [] as [String; 0]);
    assert_eq!(
        told(&["m", "x", "m"]),
        ["revision m was removed and came back: only what came before is lived through"]
    );
}
