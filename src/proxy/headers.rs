//! Which headers pass, which are ours, and which end at this hop.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Uri, Version};
use hyper::upgrade::OnUpgrade;

use super::beside::LOAD;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
static COLD_START: HeaderName = HeaderName::from_static("x-holdgate-cold-start");

/// Who asked, as the headers name it. Made once per connection.
#[derive(Clone, Debug)]
pub(super) struct ClientName {
    address: HeaderValue,
    scheme: &'static str,
}

impl ClientName {
    /// The client at this address.
    #[must_use]
    pub(super) fn new(ip: IpAddr) -> Self {
        let text = ip.to_string();
        Self {
            address: HeaderValue::from_str(&text).expect("an address is plain ASCII"),
            scheme: "http",
        }
    }

    /// The same client, come in by TLS.
    #[must_use]
    pub(super) fn secured(self) -> Self {
        Self {
            scheme: "https",
            ..self
        }
    }
}

/// Removes what ends at this hop (RFC 9110, 7.6.1): the fixed list, and what `Connection` names.
/// Returns what the connection is to become, if it is.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    // Most messages carry none: one look at the names is cheaper than a removal for each.
    if !headers.keys().any(ends_here) {
        return None;
    }
    let named: Vec<HeaderName> = words(headers, &header::CONNECTION)
        .filter_map(|word| word.parse().ok())
        .filter(may_end_here)
        .collect();
    let protocols = named
        .contains(&header::UPGRADE)
        .then(|| protocols(headers))
        .flatten();
    for name in named {
        headers.remove(name);
    }
    let ending: Vec<HeaderName> = headers
        .keys()
        .filter(|name| ends_here(name))
        .cloned()
        .collect();
    for name in ending {
        headers.remove(name);
    }
    protocols
}

/// What `Upgrade` names, but for HTTP/2: that is spoken from the first byte, or not at all.
fn protocols(headers: &HeaderMap) -> Option<HeaderValue> {
    let others = words(headers, &header::UPGRADE)
        .filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("h2c"));
    let others: Vec<&str> = others.collect();
    let named = !others.is_empty();
    named.then(|| HeaderValue::try_from(others.join(", ")).expect("words of a valid header"))
}

/// Asks the replica to change to one of these protocols, where the client's connection can become
/// something else (`OnUpgrade`).
fn upgrade<B>(request: &mut Request<B>, protocols: HeaderValue) -> Option<OnUpgrade> {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>()?;
    let headers = request.headers_mut();
    let names = if headers.contains_key(header::TE) {
        "te, upgrade"
    } else {
        "upgrade"
    };
    headers.insert(header::CONNECTION, HeaderValue::from_static(names));
    headers.insert(header::UPGRADE, protocols);
    Some(upgrade)
}

/// What is meant for whoever answers ends at no hop, whatever `Connection` says: named there, it was to
/// be taken away from who relies on it (RFC 9110, 7.6.1).
fn may_end_here(name: &HeaderName) -> bool {
    let kept = [
        header::HOST,
        header::AUTHORIZATION,
        header::COOKIE,
        header::FORWARDED,
        header::CACHE_CONTROL,
    ];
    let is_of = |prefix: &str| name.as_str().starts_with(prefix);
    !kept.contains(name) && !is_of("content-") && !is_of("x-forwarded-")
}

fn ends_here(name: &HeaderName) -> bool {
    [
        &header::CONNECTION,
        &header::TE,
        &header::TRANSFER_ENCODING,
        &header::UPGRADE,
        &KEEP_ALIVE,
        &PROXY_CONNECTION,
        // Said between a sidecar and who asks it, and to nobody behind either.
        &LOAD,
    ]
    .contains(&name)
}

/// Makes a client's request one of ours: the version and the form of the target are those of our
/// own hop, and it says who it is for. Returns the client's connection to be, if it is to become
/// something else.
pub(super) fn rewrite<B>(request: &mut Request<B>, client: &ClientName) -> Option<OnUpgrade> {
    let authority = request
        .uri()
        .authority()
        .map(|a| HeaderValue::from_str(a.as_str()));
    if let Some(Ok(host)) = authority {
        request.headers_mut().insert(header::HOST, host);
        // `as_str` of `http://host?query` has no path; what is displayed has.
        let target = request.uri().path_and_query().map(ToString::to_string);
        let target = target.and_then(|target| target.parse().ok());
        *request.uri_mut() = target.unwrap_or_else(|| Uri::from_static("/"));
    }
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    let takes_trailers = takes_trailers(headers);
    let protocols = strip_hop_by_hop(headers);
    if takes_trailers {
        // Said anew for our own hop: servers send no trailers to who does not ask for them.
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    let chain = extended(headers.get_all(&FORWARDED_FOR).iter(), client);
    headers.insert(&FORWARDED_FOR, chain);
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.entry(&FORWARDED_HOST).or_insert(host);
    }
    headers
        .entry(&FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static(client.scheme));
    protocols.and_then(|protocols| upgrade(request, protocols))
}

/// Gives a request of ours the form that it has in HTTP/2, for a replica at this address, with TLS
/// (`secured`) or without.
pub(super) fn into_http2<B>(request: &mut Request<B>, at: SocketAddr, secured: bool) {
    let scheme = if secured { "https" } else { "http" };
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.remove(header::CONNECTION);
    let host = headers.remove(header::HOST);
    if request.uri().authority().is_some() {
        return;
    }
    let target = request.uri().path_and_query().cloned();
    let target = target.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = |authority: &[u8]| {
        Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(target.clone())
            .build()
    };
    let named = host.and_then(|host| uri(host.as_bytes()).ok());
    let named = named.or_else(|| uri(at.to_string().as_bytes()).ok());
    *request.uri_mut() = named.expect("an address is an authority");
}

/// Whether the client takes trailers (RFC 9110, 10.1.4). We pass them on.
fn takes_trailers(headers: &HeaderMap) -> bool {
    words(headers, &header::TE).any(|word| word.eq_ignore_ascii_case("trailers"))
}

/// The words of a list that may stand on several lines.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter();
    let words = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    words.map(str::trim)
}

/// One line, not several: many servers read only the first.
fn extended<'a>(chain: impl Iterator<Item = &'a HeaderValue>, client: &ClientName) -> HeaderValue {
    let mut joined = Vec::new();
    for address in chain {
        joined.extend_from_slice(address.as_bytes());
        joined.extend_from_slice(b", ");
    }
    if joined.is_empty() {
        return client.address.clone();
    }
    joined.extend_from_slice(client.address.as_bytes());
    HeaderValue::from_bytes(&joined).expect("joined from valid values")
}

/// What a request waited for before it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waited {
    /// For a slot, while replicas were ready.
    pub(super) queue: Duration,
    /// For a replica, while none was; `None` if one was ready on arrival.
    pub(super) cold: Option<Duration>,
}

/// Tells the client what it waited for.
pub(super) fn announce(headers: &mut HeaderMap, waited: Waited) {
    let timing = match waited {
        Waited {
            queue: Duration::ZERO,
            cold: None,
        } => HeaderValue::from_static("queue;dur=0"),
        Waited { queue, cold: None } => timing(format!("queue;dur={:.1}", ms(queue))),
        Waited {
            queue,
            cold: Some(cold),
        } => {
            headers.insert(&COLD_START, HeaderValue::from_static("true"));
            timing(format!(
                "queue;dur={:.1}, cold;dur={:.1}",
                ms(queue),
                ms(cold)
            ))
        }
    };
    headers.append(&SERVER_TIMING, timing);
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn timing(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("words and numbers are valid in a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn rewritten(target: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = request(target, headers);
        rewrite(&mut request, &ClientName::new([10, 0, 0, 9].into()));
        request
    }

    #[test]
    fn what_connection_names_ends_at_this_hop() {
        let sent = rewritten(
            "/",
            &[
                ("host", "h"),
                ("connection", "close, X-Secret"),
                ("x-secret", "1"),
                ("keep-alive", "5"),
                ("te", "gzip"),
                ("upgrade", "websocket"),
                ("x-request-id", "7"),
            ],
        );
        let names: Vec<&str> = sent.headers().keys().map(HeaderName::as_str).collect();
        assert!(
            !names.contains(&"x-secret") && !names.contains(&"connection"),
            "{names:?}"
        );
        assert!(
            !names.contains(&"te") && !names.contains(&"upgrade"),
            "{names:?}"
        );
        assert_eq!(sent.headers()["x-request-id"], "7");
    }

    #[test]
    fn a_wish_for_trailers_is_said_anew_for_the_next_hop() {
        let sent = rewritten("/", &[("te", "gzip;q=0.5, Trailers"), ("connection", "te")]);
        assert_eq!(sent.headers()["te"], "trailers");
        assert_eq!(sent.headers()["connection"], "te");
    }

    #[test]
    fn the_client_is_added_to_the_chain() {
        let sent = rewritten("/", &[("host", "h"), ("x-forwarded-for", "1.2.3.4")]);
        let chain: Vec<_> = sent.headers().get_all("x-forwarded-for").iter().collect();
        assert_eq!(chain, ["1.2.3.4, 10.0.0.9"]);
        assert_eq!(sent.headers()["x-forwarded-host"], "h");
        assert_eq!(sent.headers()["x-forwarded-proto"], "http");
        let sent = rewritten("/", &[("host", "h"), ("x-forwarded-proto", "https")]);
        assert_eq!(sent.headers()["x-forwarded-proto"], "https");
    }

    #[test]
    fn who_came_by_tls_is_said_to_have() {
        let client = ClientName::new([10, 0, 0, 9].into()).secured();
        let mut sent = request("/", &[("host", "h")]);
        rewrite(&mut sent, &client);
        assert_eq!(sent.headers()["x-forwarded-proto"], "https");
        assert_eq!(sent.headers()["x-forwarded-for"], "10.0.0.9");
    }

    #[test]
    fn an_absolute_target_becomes_its_path() {
        let sent = rewritten("http://real.example:8080/a?b=1", &[("host", "other")]);
        assert_eq!(sent.uri(), "/a?b=1");
        assert_eq!(sent.headers()["host"], "real.example:8080");
    }

    #[test]
    fn an_absolute_target_without_a_path_keeps_its_query() {
        let sent = rewritten("http://real.example?b=1", &[("host", "other")]);
        assert_eq!(sent.uri(), "/?b=1");
    }

    #[test]
    fn what_is_meant_for_the_replica_stays_whatever_connection_says() {
        let kept = [
            ("authorization", "Bearer t"),
            ("content-type", "text/plain"),
            ("cookie", "a=1"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-proto", "https"),
        ];
        let named = kept.map(|(name, _)| name).join(", ");
        let headers = [&kept[..], &[("host", "h"), ("connection", &named)]].concat();
        let sent = rewritten("/", &headers);
        for (name, value) in kept {
            assert_eq!(sent.headers()[name], value);
        }
        assert!(!sent.headers().contains_key("connection"));
    }

    #[test]
    fn a_host_named_by_connection_stays() {
        let sent = rewritten("/", &[("host", "h"), ("connection", "host, close")]);
        assert_eq!(sent.headers()["host"], "h");
    }

    #[test]
    fn a_wait_is_announced_in_milliseconds() {
        let check = |queue, cold: Option<u64>, want: &str| {
            let mut headers = HeaderMap::new();
            let ms = Duration::from_millis;
            announce(
                &mut headers,
                Waited {
                    queue: ms(queue),
                    cold: cold.map(ms),
                },
            );
            assert_eq!(headers["server-timing"], want);
            assert_eq!(
                headers.contains_key("x-holdgate-cold-start"),
                cold.is_some()
            );
        };
        check(0, None, "queue;dur=0");
        check(12, None, "queue;dur=12.0");
        check(1, Some(9000), "queue;dur=1.0, cold;dur=9000.0");
    }
}
