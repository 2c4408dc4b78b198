//! Request lines and headers.

use super::Want::{Refused, RefusedAlone, Served};
use super::{Row, Want, play};

/// A GET with these lines for a head, line ends included.
fn raw(name: &'static str, head: &str, want: Want) -> Row<'static> {
    (name, head.as_bytes().to_vec(), want)
}

/// A sound GET with one more header line.
fn with(name: &'static str, line: &str, want: Want) -> Row<'static> {
    let head = format!("GET /a HTTP/1.1\r\nHost: m\r\n{line}\r\n\r\n");
    (name, head.into_bytes(), want)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_lines() {
    let rest = "\r\nHost: m\r\n\r\n";
    let line = |name, line: &str, want| raw(name, &format!("{line}{rest}"), want);
    play(&[
        line("as it should be", "GET /a HTTP/1.1", Served),
        line("an empty line before it", "\r\nGET /a HTTP/1.1", Served),
        // A method of its own, which the replica may know.
        line("lower-case method", "get /a HTTP/1.1", Served),
        line("two spaces", "GET  /a HTTP/1.1", Refused(400)),
        line(
            "two spaces behind the target",
            "GET /a  HTTP/1.1",
            Refused(400),
        ),
        line("a tab", "GET\t/a\tHTTP/1.1", Refused(400)),
        line("a space before it", " GET /a HTTP/1.1", Refused(400)),
        line("a space behind it", "GET /a HTTP/1.1 ", Refused(400)),
        line("a space in the target", "GET /a b HTTP/1.1", Refused(400)),
        line("NUL in the target", "GET /a\0b HTTP/1.1", Refused(400)),
        line("CR in the target", "GET /a\rb HTTP/1.1", Refused(400)),
        line("a target without a slash", "GET a HTTP/1.1", Refused(400)),
        line("a target of dots", "GET ../a HTTP/1.1", Refused(400)),
        line("a star", "GET * HTTP/1.1", Refused(400)),
        line("no target", "GET HTTP/1.1", Refused(400)),
        line("no version", "GET /a", Refused(400)),
        line("a method that is none", "G(T /a HTTP/1.1", Refused(400)),
        line("HTTP/1.2", "GET /a HTTP/1.2", Refused(400)),
        line("HTTP/2.0", "GET /a HTTP/2.0", Refused(400)),
        line("HTTP/0.9", "GET /a HTTP/0.9", Refused(400)),
        line("http/1.1", "GET /a http/1.1", Refused(400)),
        line("HTTP/1.1.1", "GET /a HTTP/1.1.1", Refused(400)),
        line("HTTP/01.1", "GET /a HTTP/01.1", Refused(400)),
        // It can be no path of ours.
        line("CONNECT", "CONNECT m:80 HTTP/1.1", RefusedAlone(404)),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts() {
    let of = |name, head: &str, want| raw(name, &format!("GET /a HTTP/1.1\r\n{head}\r\n"), want);
    let absolute = |name, target: &str, want| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: other\r\n\r\n");
        raw(name, &head, want)
    };
    play(&[
        of("none", "", Refused(400)),
        of("two that differ", "Host: m\r\nHost: n\r\n", Refused(400)),
        of("the same twice", "Host: m\r\nHost: m\r\n", Refused(400)),
        of("a slash", "Host: m/x\r\n", Refused(400)),
        of("a user", "Host: u@m\r\n", Refused(400)),
        of("a blank", "Host: m n\r\n", Refused(400)),
        of("a question mark", "Host: m?x\r\n", Refused(400)),
        of("a quote", "Host: m\"\r\n", Refused(400)),
        of("a backslash", "Host: m\\n\r\n", Refused(400)),
        of("no ASCII", "Host: m\u{e4}\r\n", Refused(400)),
        of("a port", "Host: m:80\r\n", Served),
        of("an address", "Host: [::1]:80\r\n", Served),
        absolute("a whole address", "http://m/a", Served),
        absolute("a whole address with a user", "http://u@m/a", Refused(400)),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_lines() {
    let long = format!("x: {}", "y".repeat(70_000));
    let many = format!("{}x: 1", "x: 1\r\n".repeat(150));
    play(&[
        with("as it should be", "x: 1", Served),
        with("no value", "x:", Served),
        with("a space before the colon", "x : 1", Refused(400)),
        with("a tab before the colon", "x\t: 1", Refused(400)),
        with("no colon", "x", Refused(400)),
        with("no name", ": 1", Refused(400)),
        with("a blank in the name", "x y: 1", Refused(400)),
        with("a bracket in the name", "x(y): 1", Refused(400)),
        with("NUL in the name", "x\0y: 1", Refused(400)),
        with("NUL in the value", "x: 1\x002", Refused(400)),
        with("CR in the value", "x: 1\r2", Refused(400)),
        with("CR at the end of the value", "x: 1\r", Refused(400)),
        with("CR in the name", "x\ry: 1", Refused(400)),
        with("DEL in the value", "x: 1\x7f", Refused(400)),
        with("a vertical tab in the value", "x: 1\x0b", Refused(400)),
        with("a folded line", "x: 1\r\n 2", Refused(400)),
        with("a folded line of a tab", "x: 1\r\n\t2", Refused(400)),
        with(
            "a length in a folded line",
            "x: 1\r\n Content-Length: 5",
            Refused(400),
        ),
        with("too long", &long, Refused(431)),
        with("too many", &many, Refused(431)),
        raw(
            "a folded first line",
            "GET /a HTTP/1.1\r\n x: 1\r\nHost: m\r\n\r\n",
            Refused(400),
        ),
        // RFC 9112, 2.2 lets us, and what goes on to the replica has CRLF.
        raw("bare LF", "GET /a HTTP/1.1\nHost: m\nx: 1\n\n", Served),
        raw(
            "bare CR",
            "GET /a HTTP/1.1\rHost: m\rx: 1\r\r",
            Refused(400),
        ),
        with("an expectation that nobody has", "Expect: 200-ok", Served),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_at_all() {
    play(&[
        raw(
            "a TLS hello",
            "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
            Refused(400),
        ),
        raw("a mail", "EHLO m\r\nMAIL FROM:<a@m>\r\n\r\n", Refused(400)),
        raw(
            "an answer",
            "HTTP/1.1 200 OK\r\nHost: m\r\n\r\n",
            Refused(400),
        ),
    ])
    .await;
}
