//! Any host, path and header: whatever spelling of the same request leads to the same revision, and a host
//! that is one's own leads there.
#![no_main]

mod house;

use house::{HOSTS, Manner, Visit, http2, visit};
use libfuzzer_sys::fuzz_target;

/// What a request says about whose it is.
struct Asked<'a> {
    host: &'a str,
    path: &'a str,
    headers: Vec<(String, &'a str)>,
}

fuzz_target!(|text: &str| {
    let Some(asked) = Asked::parse(text) else {
        return;
    };
    let first = asked.leads_to(&asked.over_http1(asked.host, ""));
    if let Some(own) = HOSTS.iter().position(|host| *host == asked.host)
        && !asked
            .headers
            .iter()
            .any(|(name, _)| name == "x-holdgate-revision")
    {
        assert_eq!(first, Some(own), "{text:?} does not lead to its own host");
    }
    for (spelling, bytes) in asked.spellings() {
        assert_eq!(asked.leads_to(&bytes), first, "{spelling}: {text:?}");
    }
});

impl<'a> Asked<'a> {
    /// Host, path, and header lines; `None` where that is no request or not one that can be spelt in
    /// other ways.
    fn parse(text: &'a str) -> Option<Self> {
        let mut lines = text.split('\n');
        let (host, path) = (lines.next()?, lines.next()?);
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        let host_is_plain = !host.is_empty() && host.bytes().all(plain);
        let dotted = host.starts_with('.') || host.ends_with('.') || host.contains("..");
        let path_is_plain = path.starts_with('/')
            && path
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&b));
        if !host_is_plain || dotted || !path_is_plain || text.len() > 1024 {
            return None;
        }
        let headers = lines.filter_map(|line| line.split_once(':')).take(8);
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim()));
        let known = [
            "kserve-isvc-name",
            "kserve-isvc-namespace",
            "x-holdgate-revision",
        ];
        let valid = |value: &str| value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        let headers = headers.filter(|(name, value)| known.contains(&&name[..]) && valid(value));
        Some(Self {
            host,
            path,
            headers: headers.collect(),
        })
    }

    fn spellings(&self) -> Vec<(&'static str, Vec<u8>)> {
        let host = self.host;
        let mut h2 = vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", host),
            (":path", self.path),
        ];
        h2.extend(self.headers.iter().map(|(name, value)| (&name[..], *value)));
        vec![
            (
                "upper case",
                self.over_http1(&host.to_ascii_uppercase(), ""),
            ),
            ("a dot at the end", self.over_http1(&format!("{host}."), "")),
            ("a port", self.over_http1(&format!("{host}:8080"), "")),
            (
                "an absolute target",
                self.over_http1("other.example", &format!("http://{host}")),
            ),
            ("HTTP/2", http2::request(&h2)),
        ]
    }

    fn over_http1(&self, host: &str, before_path: &str) -> Vec<u8> {
        let mut text = format!(
            "GET {before_path}{} HTTP/1.1\r\nHOST: {host}\r\n",
            self.path
        );
        for (name, value) in &self.headers {
            text.extend([&name.to_ascii_uppercase(), ": ", value, "\r\n"]);
        }
        (text + "\r\n").into_bytes()
    }

    /// The revision whose replica was asked, if one was.
    fn leads_to(&self, bytes: &[u8]) -> Option<usize> {
        let requests = visit(&Manner::default(), bytes, Visit::PATIENT).requests();
        assert!(requests.len() <= 1, "one request became {}", requests.len());
        let (revision, request) = requests.first()?;
        assert_eq!(request.target, self.path, "its target is another");
        Some(*revision)
    }
}
