//! Where requests begin and end in HTTP/1.1 (RFC 9112, 6), in two minds: strictly, as what is sent to a
//! replica has to be, and as far as it can be told, as what a client sends may be.

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Framed {
    /// Its method.
    pub(crate) method: String,
    /// What it asks for.
    pub(crate) target: String,
    /// Names in lower case, in the order they came.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// It came to its end.
    pub(crate) is_whole: bool,
}

impl Framed {
    /// All values of a header.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.headers.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_slice())
    }
}

/// How long a body is.
enum Length {
    Known(usize),
    Chunked,
}

/// Every request, the last perhaps unfinished; an error where two readers could disagree.
pub(crate) fn strictly(bytes: &[u8]) -> Result<Vec<Framed>, String> {
    let (mut all, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let Some(end) = find(rest, b"\r\n\r\n") else {
            check_lines(rest)?;
            break;
        };
        let head = &rest[..end + 4];
        check_lines(head)?;
        let (mut request, _) = parse_head(head)?.ok_or("a head that ends too early")?;
        let length = only_length(&request)?;
        rest = &rest[end + 4..];
        let taken = match length {
            Length::Known(length) => (rest.len() >= length).then_some(length),
            Length::Chunked => chunked(rest, true)?,
        };
        request.is_whole = taken.is_some();
        all.push(request);
        let Some(taken) = taken else { break };
        rest = &rest[taken..];
    }
    Ok(all)
}

/// Each line ends with both bytes, and neither is anywhere else.
fn check_lines(head: &[u8]) -> Result<(), String> {
    for (n, byte) in head.iter().enumerate() {
        match byte {
            b'\n' if n == 0 || head[n - 1] != b'\r' => return Err("a bare line feed".to_owned()),
            b'\r' if head.get(n + 1).is_some_and(|next| *next != b'\n') => {
                return Err("a bare carriage return".to_owned());
            }
            b' ' | b'\t' if n > 0 && head[n - 1] == b'\n' => return Err("a folded line".to_owned()),
            0 => return Err("a zero byte".to_owned()),
            _ => {}
        }
    }
    Ok(())
}

/// The one length a request is sent with.
fn only_length(request: &Framed) -> Result<Length, String> {
    let lengths: Vec<&[u8]> = request.all("content-length").collect();
    let codings: Vec<&[u8]> = request.all("transfer-encoding").collect();
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(Length::Known(0)),
        ([length], []) => number(length)
            .map(Length::Known)
            .ok_or_else(|| format!("content-length {}", length.escape_ascii())),
        ([], [b"chunked"]) => Ok(Length::Chunked),
        _ => Err("several lengths, or a coding that is none".to_owned()),
    }
}

/// How many requests a client has begun to send, where that can be told: from the first doubt on nothing
/// more is one.
pub(crate) fn at_most(bytes: &[u8]) -> usize {
    let (mut count, mut rest) = (0, bytes);
    loop {
        // Empty lines before a request are skipped.
        while let Some(b'\r' | b'\n') = rest.first() {
            rest = &rest[1..];
        }
        let Ok(Some((request, head))) = parse_head(rest) else {
            return count;
        };
        count += 1;
        rest = &rest[head..];
        let taken = match likely_length(&request) {
            Some(Length::Known(length)) => (rest.len() >= length).then_some(length),
            Some(Length::Chunked) => chunked(rest, false).ok().flatten(),
            None => None,
        };
        let Some(taken) = taken else { return count };
        rest = &rest[taken..];
    }
}

/// A coding wins over a length (RFC 9112, 6.3); `None` where nobody can say.
fn likely_length(request: &Framed) -> Option<Length> {
    let codings = request
        .all("transfer-encoding")
        .flat_map(|line| line.split(|b| *b == b','));
    if let Some(last) = codings.last() {
        return last
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked")
            .then_some(Length::Chunked);
    }
    let mut lengths = request.all("content-length").map(number);
    let Some(first) = lengths.next() else {
        return Some(Length::Known(0));
    };
    lengths
        .all(|other| other == first)
        .then_some(first)
        .flatten()
        .map(Length::Known)
}

fn parse_head(bytes: &[u8]) -> Result<Option<(Framed, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut head = httparse::Request::new(&mut headers);
    let parsed = head.parse(bytes).map_err(|error| error.to_string())?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let headers = head.headers.iter();
    let headers = headers.map(|h| (h.name.to_ascii_lowercase(), h.value.to_vec()));
    let request = Framed {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        headers: headers.collect(),
        is_whole: false,
    };
    Ok(Some((request, length)))
}

/// How long a chunked body is, trailers and all; `None` while it has no end.
fn chunked(bytes: &[u8], strict: bool) -> Result<Option<usize>, String> {
    let mut at = 0;
    loop {
        let Some(end) = find(&bytes[at..], b"\n") else {
            return Ok(None);
        };
        let line = &bytes[at..at + end];
        let line = line
            .strip_suffix(b"\r")
            .ok_or("a chunk's line ends in a line feed alone")?;
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let (digits, more) = line.split_at(digits);
        if strict && !more.is_empty() {
            return Err(format!("a chunk's size with {}", more.escape_ascii()));
        }
        let digits = str::from_utf8(digits).expect("they are ASCII");
        let size = usize::from_str_radix(digits, 16);
        let size = size.map_err(|_| format!("a chunk's size {}", line.escape_ascii()))?;
        at += end + 1;
        if size == 0 {
            return Ok(trailers(&bytes[at..]).map(|length| at + length));
        }
        let Some(after) = at.checked_add(size).and_then(|at| at.checked_add(2)) else {
            return Err("a chunk larger than can be".to_owned());
        };
        if bytes.len() < after {
            return Ok(None);
        }
        if &bytes[after - 2..after] != b"\r\n" {
            return Err("a chunk that is longer than it says".to_owned());
        }
        at = after;
    }
}

/// To the empty line.
fn trailers(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let end = at + find(&bytes[at..], b"\n")? + 1;
        if matches!(&bytes[at..end], b"\r\n" | b"\n") {
            return Some(end);
        }
        at = end;
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain
        .then(|| str::from_utf8(digits).ok()?.parse().ok())
        .flatten()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
