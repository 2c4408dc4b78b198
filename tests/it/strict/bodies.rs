//! Where a body ends: lengths, chunks, and both.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Want::{Refused, Served, ServedLast};
use super::{Front, LAST, Row, SMUGGLED, Want, play};

/// A POST with these lines of framing (line ends but the last included) and these bytes behind it.
fn post(name: &'static str, lines: &str, body: &str, want: Want) -> Row<'static> {
    let head = format!("POST /a HTTP/1.1\r\nHost: m\r\n{lines}\r\n\r\n{body}");
    (name, head.into_bytes(), want)
}

/// One in chunks.
fn chunked(name: &'static str, body: &str, want: Want) -> Row<'static> {
    post(name, "Transfer-Encoding: chunked", body, want)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lengths() {
    let of =
        |name, value: &str, want| post(name, &format!("Content-Length: {value}"), "hello", want);
    play(&[
        of("as it should be", "5", Served),
        of("blanks around it", "  5  ", Served),
        of("leading zeros", "005", Served),
        of("a plus", "+5", Refused(400)),
        of("a minus", "-1", Refused(400)),
        of("hexadecimal", "0x5", Refused(400)),
        of("a fraction", "5.0", Refused(400)),
        of("an exponent", "5e0", Refused(400)),
        of("a blank between", "5 5", Refused(400)),
        of("a list of the same", "5, 5", Refused(400)),
        of("a list that differs", "5, 6", Refused(400)),
        of("nothing", "", Refused(400)),
        of("no number", "five", Refused(400)),
        of("a quoted number", "\"5\"", Refused(400)),
        of("a semicolon", "5;", Refused(400)),
        of("beyond 64 bits", "18446744073709551621", Refused(400)),
        of("nearly 64 bits", "18446744073709551615", Refused(431)),
        post(
            "the same twice",
            "Content-Length: 5\r\nContent-Length: 5",
            "hello",
            Served,
        ),
        post(
            "two that differ",
            "Content-Length: 5\r\nContent-Length: 6",
            "hello",
            Refused(400),
        ),
        post(
            "two that differ, 0 first",
            "Content-Length: 0\r\nContent-Length: 5",
            "hello",
            Refused(400),
        ),
        post(
            "two, one of them none",
            "Content-Length: 5\r\nContent-Length: x",
            "hello",
            Refused(400),
        ),
        post(
            "a blank before the colon",
            "Content-Length : 5",
            "hello",
            Refused(400),
        ),
        post(
            "an underscore is another name",
            "Content-Length: 5\r\nContent_Length: 0",
            "hello",
            Served,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_a_length_and_chunks() {
    let cl_te = format!("0\r\n\r\n{SMUGGLED}");
    let length = cl_te.len();
    let te_cl = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    // Chunks count, and nothing that follows is read: whoever went by the length meant it as a body.
    play(&[
        post(
            "length first",
            &format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
            &cl_te,
            ServedLast,
        ),
        post(
            "chunks first",
            &format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"),
            &cl_te,
            ServedLast,
        ),
        post(
            "the length is that of the first line",
            "Content-Length: 4\r\nTransfer-Encoding: chunked",
            &te_cl,
            ServedLast,
        ),
        post(
            "chunks first, a short length",
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            &te_cl,
            ServedLast,
        ),
        post(
            "no length",
            "Content-Length: x\r\nTransfer-Encoding: chunked",
            &cl_te,
            Refused(400),
        ),
        post(
            "two lengths",
            "Content-Length: 1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
            &cl_te,
            Refused(400),
        ),
        post(
            "it asks to be kept",
            &format!(
                "Connection: keep-alive\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked"
            ),
            &cl_te,
            ServedLast,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codings() {
    let body = format!("0\r\n\r\n{SMUGGLED}");
    let of = |name, lines: &str, want| post(name, lines, &body, want);
    let sound = |name, lines: &str| post(name, lines, "0\r\n\r\n", Served);
    play(&[
        sound("as it should be", "Transfer-Encoding: chunked"),
        sound("upper case", "TRANSFER-ENCODING: CHUNKED"),
        sound("blanks around it", "Transfer-Encoding: \t chunked \t"),
        of(
            "a blank before the colon",
            "Transfer-Encoding : chunked",
            Refused(400),
        ),
        of(
            "a tab before the colon",
            "Transfer-Encoding\t: chunked",
            Refused(400),
        ),
        of(
            "a letter before it",
            "Transfer-Encoding: xchunked",
            Refused(400),
        ),
        of(
            "a letter behind it",
            "Transfer-Encoding: chunkedx",
            Refused(400),
        ),
        of("identity", "Transfer-Encoding: identity", Refused(400)),
        of(
            "identity behind it",
            "Transfer-Encoding: chunked, identity",
            Refused(400),
        ),
        of(
            "identity before it",
            "Transfer-Encoding: identity, chunked",
            Refused(400),
        ),
        of(
            "another coding before it",
            "Transfer-Encoding: gzip, chunked",
            Refused(400),
        ),
        of("twice", "Transfer-Encoding: chunked, chunked", Refused(400)),
        of(
            "on two lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            Refused(400),
        ),
        of(
            "another on a second line",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            Refused(400),
        ),
        of(
            "another on the first line",
            "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
            Refused(400),
        ),
        of("nothing", "Transfer-Encoding:", Refused(400)),
        of("a comma", "Transfer-Encoding: ,chunked", Refused(400)),
        of(
            "a comma behind it",
            "Transfer-Encoding: chunked,",
            Refused(400),
        ),
        of(
            "a semicolon",
            "Transfer-Encoding: chunked;q=1",
            Refused(400),
        ),
        of("quoted", "Transfer-Encoding: \"chunked\"", Refused(400)),
        of(
            "a vertical tab",
            "Transfer-Encoding: \x0bchunked",
            Refused(400),
        ),
        of(
            "a form feed",
            "Transfer-Encoding: \x0cchunked",
            Refused(400),
        ),
        of("NUL", "Transfer-Encoding: \0chunked", Refused(400)),
        of("CR", "Transfer-Encoding: \rchunked", Refused(400)),
        of("no ASCII", "Transfer-Encoding: \u{a0}chunked", Refused(400)),
        of("folded", "Transfer-Encoding:\r\n chunked", Refused(400)),
        of(
            "a name that begins with a blank",
            "x: 1\r\n Transfer-Encoding: chunked",
            Refused(400),
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks() {
    let sound = "5\r\nhello\r\n0\r\n\r\n";
    play(&[
        chunked("as it should be", sound, Served),
        chunked("upper case", "A\r\n0123456789\r\n0\r\n\r\n", Served),
        chunked("leading zeros", "0005\r\nhello\r\n000\r\n\r\n", Served),
        chunked("an extension", "5;a=b\r\nhello\r\n0\r\n\r\n", Served),
        chunked(
            "a quoted extension",
            "5;a=\"b\"\r\nhello\r\n0\r\n\r\n",
            Served,
        ),
        chunked(
            "a blank behind the size",
            "5 \r\nhello\r\n0\r\n\r\n",
            Served,
        ),
        chunked(
            "an extension that ends with LF",
            "5;a\nhello\r\n0\r\n\r\n",
            Refused(400),
        ),
        chunked(
            "an endless extension",
            &format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000)),
            Refused(400),
        ),
        chunked(
            "hexadecimal with its sign",
            "0x5\r\nhello\r\n0\r\n\r\n",
            Refused(400),
        ),
        chunked("a minus", "-5\r\nhello\r\n0\r\n\r\n", Refused(400)),
        chunked("a plus", "+5\r\nhello\r\n0\r\n\r\n", Refused(400)),
        chunked("a blank between", "5 5\r\nhello\r\n0\r\n\r\n", Refused(400)),
        chunked("a blank before", " 5\r\nhello\r\n0\r\n\r\n", Refused(400)),
        chunked("an underscore", "0_5\r\nhello\r\n0\r\n\r\n", Refused(400)),
        chunked("no size", "\r\nhello\r\n0\r\n\r\n", Refused(400)),
        chunked(
            "only an extension",
            ";a\r\nhello\r\n0\r\n\r\n",
            Refused(400),
        ),
        chunked(
            "beyond 64 bits",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
            Refused(400),
        ),
        chunked(
            "64 bits",
            "ffffffffffffffff5\r\nhello\r\n0\r\n\r\n",
            Refused(400),
        ),
        chunked("LF behind the size", "5\nhello\r\n0\r\n\r\n", Refused(400)),
        chunked("CR behind the size", "5\rhello\r\n0\r\n\r\n", Refused(400)),
        chunked(
            "no line end behind a chunk",
            "5\r\nhello0\r\n\r\n",
            Refused(400),
        ),
        chunked("LF behind a chunk", "5\r\nhello\n0\r\n\r\n", Refused(400)),
        chunked(
            "a chunk that is too long",
            "5\r\nhello!\r\n0\r\n\r\n",
            Refused(400),
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_a_bare_lf_at_the_end_of_chunks_is_no_other_request() {
    let front = Front::new().await;
    // Whoever takes LF for the end sees another request; to the parser it is a trailer.
    let head = "POST /a HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n";
    let bytes = format!("{head}5\r\nhello\r\n0\r\n\n{SMUGGLED}");
    let mut client = TcpStream::connect(front.address).await.expect("it listens");
    client.write_all(bytes.as_bytes()).await.expect("written");
    let mut told = Vec::new();
    while !told.ends_with(b"ok") {
        let read = client.read_buf(&mut told).await.expect("an answer");
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&told));
    }
    assert!(told.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(front.replica.targets(), ["/a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_that_would_say_something_else_end_here() {
    let front = Front::new().await;
    for trailer in [
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Host: other",
        "Authorization: Bearer x",
        "Connection: close",
        "x: 1",
    ] {
        let name = trailer.split(':').next().expect("a name");
        let request = format!(
            "POST /a HTTP/1.1\r\nHost: m\r\nTE: trailers\r\nTrailer: {name}\r\n\
             Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n{trailer}\r\n\r\n{LAST}"
        );
        let (statuses, targets) = front.outcome(request.as_bytes()).await;
        assert_eq!(statuses, [200, 200], "{trailer}");
        assert_eq!(targets, ["/a", "/last"], "{trailer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_requests_have_no_chunks() {
    let old = |name, lines: &str, body: &str, want| {
        let head = format!("POST /a HTTP/1.0\r\nHost: m\r\n{lines}\r\n{body}");
        (name, head.into_bytes(), want)
    };
    let body = format!("0\r\n\r\n{SMUGGLED}");
    play(&[
        old(
            "as it should be",
            "Content-Length: 5\r\n",
            "hello",
            ServedLast,
        ),
        old(
            "chunks",
            "Transfer-Encoding: chunked\r\n",
            &body,
            Refused(400),
        ),
        old(
            "both",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            &body,
            Refused(400),
        ),
        old(
            "kept",
            "Connection: keep-alive\r\nContent-Length: 5\r\n",
            "hello",
            Served,
        ),
        old("neither", "", "", ServedLast),
    ])
    .await;
}
