//! What Knative's queue-proxy changes in a request's headers.

use std::net::Ipv6Addr;

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};

static ORIGINAL_HOST: HeaderName = HeaderName::from_static("k-original-host");
static REVISION: HeaderName = HeaderName::from_static("knative-serving-revision");
static NAMESPACE: HeaderName = HeaderName::from_static("knative-serving-namespace");
static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Gives the host back that the activator has put away, takes out what was for Knative itself, and says
/// in `Forwarded` what the older headers say.
pub(super) fn restore(headers: &mut HeaderMap) {
    if let Some(host) = headers.remove(&ORIGINAL_HOST) {
        headers.insert(HOST, host);
    }
    headers.remove(&REVISION);
    headers.remove(&NAMESPACE);
    if headers.contains_key(FORWARDED) {
        return;
    }
    let said = |name: &HeaderName| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let forwarded = forwarded(
        &said(&FORWARDED_FOR),
        &said(&FORWARDED_HOST),
        &said(&FORWARDED_PROTO),
    );
    let forwarded = forwarded.and_then(|text| HeaderValue::try_from(text).ok());
    if let Some(forwarded) = forwarded {
        headers.insert(FORWARDED, forwarded);
    }
}

/// RFC 7239 as Knative writes it: an element for each address, host and proto in the first.
fn forwarded(addresses: &str, host: &str, proto: &str) -> Option<String> {
    let mut rest = Vec::new();
    if !host.is_empty() {
        rest.push(format!("host={host}"));
    }
    if !proto.is_empty() {
        rest.push(format!("proto={proto}"));
    }
    if addresses.is_empty() {
        return (!rest.is_empty()).then(|| rest.join(";"));
    }
    // Nothing stands behind a comma at the end.
    let addresses = addresses.strip_suffix(',').unwrap_or(addresses);
    let mut elements = addresses.split(',').map(|address| {
        let address = address.trim();
        if address.parse::<Ipv6Addr>().is_ok() {
            format!("for=\"[{address}]\"")
        } else {
            format!("for={address}")
        }
    });
    let first = elements.next().into_iter().chain(rest);
    let first = first.collect::<Vec<_>>().join(";");
    let all = [first].into_iter().chain(elements);
    Some(all.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forwarded_is_said_in_one_header() {
        let check = |addresses, host, proto, want: Option<&str>| {
            let said = forwarded(addresses, host, proto);
            assert_eq!(said.as_deref(), want);
        };
        let both = "for=127.0.0.1;host=h;proto=p, for=\"[::1]\"";
        check("127.0.0.1, ::1", "h", "p", Some(both));
        check("a", "", "", Some("for=a"));
        check("", "h", "p", Some("host=h;proto=p"));
        check("", "", "", None);
    }
}
