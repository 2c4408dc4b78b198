//! The page of those who wait for a start. It has no resources but itself, and no script.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
};
use http::{Response, StatusCode};

use super::super::Revision;
use super::super::body::Body;
use super::super::rescue::{REASON, retry_after_seconds};
use super::bystander::seconds;
use crate::autoscale::StartPhase;
use crate::throttler::Outlook;

/// How often it is asked for again, in seconds.
const AGAIN: u64 = 5;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto 0;padding:0 1.5rem}\
h1{font-size:1.25rem;overflow-wrap:anywhere}\
.bar{height:.25rem;border-radius:.125rem;background:#8884;overflow:hidden}\
.bar i{display:block;height:100%;width:30%;background:currentColor;animation:b 2s infinite linear}\
@keyframes b{from{margin-left:-30%}to{margin-left:100%}}\
@media(prefers-reduced-motion:reduce){.bar i{animation:none;width:100%;opacity:.4}}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}dd{margin:0}\
small{opacity:.75}";

/// The page as it is now.
pub(super) fn answer(revision: &Revision) -> Response<Body> {
    let outlook = revision.throttler.outlook();
    let page = page(revision.spec.id.as_str(), &outlook);
    let mut response = Response::new(Body::own(Bytes::from(page)));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    let mut say = |name, value| headers.insert(name, HeaderValue::from_static(value));
    say(CONTENT_TYPE, "text/html; charset=utf-8");
    say(CACHE_CONTROL, "no-store");
    say(
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
    );
    headers.insert(&REASON, HeaderValue::from_static("cold_start"));
    let wait = outlook.estimate.unwrap_or(Duration::from_secs(AGAIN));
    headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_seconds(wait)));
    response
}

fn page(name: &str, outlook: &Outlook) -> String {
    let name = escaped(name);
    let phase = outlook.phase.map_or("It is being started", in_words);
    let estimate = match outlook.estimate.map(seconds) {
        Some(0) => "any moment now".to_owned(),
        Some(seconds) => format!("about {}", in_time(seconds)),
        None => "not known yet: no start has been measured".to_owned(),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\">\
         <meta http-equiv=\"refresh\" content=\"{AGAIN}\">\
         <title>{name} is starting</title><style>{STYLE}</style></head>\n\
         <body><main><h1>{name} is starting</h1>\
         <div class=\"bar\" aria-hidden=\"true\"><i></i></div>\
         <dl role=\"status\" aria-live=\"polite\"><dt>Now</dt><dd>{phase}</dd>\
         <dt>Ready in</dt><dd>{estimate}</dd>"
    );
    if let Some(diagnosis) = &outlook.diagnosis {
        let _ = write!(page, "<dt>Note</dt><dd>{}</dd>", escaped(diagnosis));
    }
    page += "</dl>\n<p><small>This page asks again by itself until the model answers.</small></p>\
             </main></body></html>\n";
    page
}

const fn in_words(phase: StartPhase) -> &'static str {
    match phase {
        StartPhase::Schedule => "It waits for a machine to run on",
        StartPhase::Pull => "Its program is being fetched",
        StartPhase::Init => "It is being prepared",
        StartPhase::Load => "The model is being loaded",
        StartPhase::FirstAnswer => "It is about to answer",
    }
}

fn in_time(seconds: u64) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        ..120 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_is_known_and_nothing_that_acts() {
        let outlook = Outlook {
            estimate: Some(Duration::from_millis(41_500)),
            phase: Some(StartPhase::Load),
            diagnosis: Some("<script>alert(1)</script>".to_owned()),
            ..Outlook::default()
        };
        let page = page("flowers", &outlook);
        assert!(page.contains("flowers is starting"), "{page}");
        assert!(page.contains("The model is being loaded"), "{page}");
        assert!(page.contains("about 42 seconds"), "{page}");
        assert!(
            page.contains("&lt;script&gt;") && !page.contains("<script"),
            "{page}"
        );
        assert!(!page.contains("http:") && !page.contains("src=") && !page.contains("url("));
    }

    #[test]
    fn times_are_told_as_people_do() {
        let check = |seconds, want| assert_eq!(in_time(seconds), want);
        check(1, "1 second");
        check(119, "119 seconds");
        check(120, "2 minutes");
        check(601, "11 minutes");
    }
}
