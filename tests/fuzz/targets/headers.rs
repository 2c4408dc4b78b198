//! Any headers of a request and of its answer: what ends at a hop ends, what does not comes out as it went
//! in, the host stays and the chain of clients grows by one.
#![no_main]

mod house;

use std::collections::BTreeMap;

use house::framing::Framed;
use house::{Manner, Visit, visit};
use libfuzzer_sys::fuzz_target;

type Lines<'a> = Vec<(String, &'a str)>;

/// They say how a message is framed, or make it another kind of exchange: the other targets' business.
const NOT_HERE: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "expect",
    "x-holdgate-revision",
    "x-holdgate-class",
    "x-holdgate-timeout",
    "trailer",
];

const ENDING: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-holdgate-load",
];

/// What a gate says of its own accord.
const OURS: [&str; 4] = [
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "forwarded",
];

fuzz_target!(|text: &str| {
    let (request, answer) = text.split_once("\n\n").unwrap_or((text, ""));
    let (request, answer) = (lines(request), lines(answer));
    let mut head = String::from("GET /x HTTP/1.1\r\nhost: a.example\r\n");
    write(&mut head, &request);
    let mut said = String::from("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n");
    write(&mut said, &answer);
    said.push_str("ok");
    let manner = Manner {
        answer: said.into_bytes().into(),
        dies_at: 0,
    };
    let outcome = visit(&manner, head.as_bytes(), Visit::PATIENT);
    let sent = outcome.requests();
    let [(0, sent)] = &sent[..] else {
        panic!(
            "{} requests of {head:?}: {}",
            sent.len(),
            outcome.answers.escape_ascii()
        );
    };
    check_request(&request, sent);
    check_answer(&answer, &outcome.answers);
});

/// Lines that are headers, and none that this is not about.
fn lines(text: &str) -> Lines<'_> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let valid = |b: u8| b.is_ascii_graphic() || b == b' ';
    let pairs = text.split('\n').filter_map(|line| line.split_once(':'));
    let pairs = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches(' ')));
    let pairs = pairs.filter(|(name, value)| {
        let is_header = !name.is_empty() && name.bytes().all(token) && value.bytes().all(valid);
        is_header && !NOT_HERE.contains(&&name[..])
    });
    pairs.take(40).collect()
}

fn write(head: &mut String, lines: &Lines) {
    for (name, value) in lines {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
}

/// What `Connection` names, beside the fixed list.
fn named(lines: &Lines) -> Vec<String> {
    let connection = lines.iter().filter(|(name, _)| name == "connection");
    let words = connection.flat_map(|(_, value)| value.split(','));
    words.map(|word| word.trim().to_ascii_lowercase()).collect()
}

fn check_request(asked: &Lines, sent: &Framed) {
    let host: Vec<&[u8]> = sent.all("host").collect();
    assert_eq!(host, [b"a.example"], "the host");
    let wants_trailers = asked.iter().any(|(name, value)| {
        name == "te"
            && value
                .split(',')
                .any(|word| word.trim().eq_ignore_ascii_case("trailers"))
    });
    for (name, value) in &sent.headers {
        let value = String::from_utf8_lossy(value).into_owned();
        let anew = matches!(
            (&name[..], &value[..]),
            ("te", "trailers") | ("connection", "te" | "TE")
        );
        let ends = ENDING.contains(&&name[..]);
        assert!(!ends || (anew && wants_trailers), "{name}: {value} went on");
    }
    check_kept(asked, |name| sent.all(name).map(<[u8]>::to_vec).collect());
    check_chain(asked, sent);
}

/// One line with everybody before, and then the client.
fn check_chain(asked: &Lines, sent: &Framed) {
    let ended = named(asked).iter().any(|name| name == "x-forwarded-for");
    let before = asked
        .iter()
        .filter(|(name, _)| name == "x-forwarded-for" && !ended);
    let mut chain: Vec<&str> = before.map(|(_, value)| *value).collect();
    chain.push("10.0.0.9");
    let told: Vec<&[u8]> = sent.all("x-forwarded-for").collect();
    // An empty line before may count as nobody.
    let whole = |chain: Vec<&str>| chain.join(", ").into_bytes();
    let somebody = chain
        .iter()
        .copied()
        .filter(|name| !name.is_empty())
        .collect();
    assert!(
        told == [whole(chain)] || told == [whole(somebody)],
        "the chain became {told:?}"
    );
}

fn check_answer(said: &Lines, answers: &[u8]) {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(answers).expect("an answer");
    assert!(
        parsed.is_complete(),
        "no whole answer: {}",
        answers.escape_ascii()
    );
    assert_eq!(head.code, Some(200));
    let all = |name: &str| {
        let found = head
            .headers
            .iter()
            .filter(|h| h.name.eq_ignore_ascii_case(name));
        found
            .map(|header| header.value.to_vec())
            .collect::<Vec<_>>()
    };
    for name in ENDING {
        let mut came = all(name);
        // The gate's own word for its own connection, where the client wants it to end.
        came.retain(|value| (name, &value[..]) != ("connection", b"close"));
        assert_eq!(came, Vec::<Vec<u8>>::new(), "{name} came back");
    }
    check_kept(said, all);
}

/// What neither ends here nor is ours to write comes out as it went in, in its order.
fn check_kept(lines: &Lines, came: impl Fn(&str) -> Vec<Vec<u8>>) {
    let ended = named(lines);
    let mut kept: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    for (name, value) in lines {
        kept.entry(name)
            .or_default()
            .push(value.as_bytes().to_vec());
    }
    for (name, values) in kept {
        if ENDING.contains(&name) || ended.iter().any(|ended| ended == name) {
            let came = came(name);
            let ours = OURS.contains(&name) || name == "server-timing" || name == "date";
            let anew = ENDING.contains(&name); // looked at elsewhere
            assert!(came.is_empty() || ours || anew, "{name} went on: {came:?}");
        } else if name == "server-timing" {
            assert!(came(name).starts_with(&values), "{name} lost something");
        } else if name != "x-forwarded-for" {
            assert_eq!(came(name), values, "{name}");
        }
    }
}
