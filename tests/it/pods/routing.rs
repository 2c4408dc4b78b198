//! Which host leads where, at a gate for many tenants.

use http::Request;
use http_body_util::Empty;

use super::pod::Pod;
use super::{Answer, Front};

/// A target, headers, and the status of the answer.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);

async fn ask(front: &Front, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::new()).expect("a valid request");
    front.client().await.ask(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_is_found_by_its_hosts_and_by_what_kserve_routes_say() {
    let pod = Pod::new();
    let front = Front::new(0, &[&pod]);
    let name = |name| ("kserve-isvc-name", name);
    let namespace = |namespace| ("kserve-isvc-namespace", namespace);
    let host = |host| ("host", host);
    let cases: [Case<'_>; 12] = [
        ("/", &[host("m.ns")], 200),
        ("/", &[host("M.ns.Example.com:8080")], 200),
        ("/", &[host("m.ns.")], 200),
        ("http://m.ns:80/a", &[host("other")], 200),
        (
            "/",
            &[host("gateway.local"), name("m"), namespace("ns")],
            200,
        ),
        (
            "/",
            &[host("gateway.local"), name("M"), namespace("Ns")],
            200,
        ),
        ("/", &[host("gateway.local"), name("m")], 404),
        ("/", &[host("gateway.local"), namespace("ns")], 404),
        (
            "/",
            &[host("gateway.local"), name("x"), namespace("ns")],
            404,
        ),
        // The only one there is does not take what is not its own; a model that it names is.
        ("/", &[host("other")], 404),
        ("/v1/models/m.ns:predict", &[host("other")], 200),
        ("/v1/models/other:predict", &[host("other")], 404),
    ];
    for (target, headers, code) in cases {
        let answer = ask(&front, target, headers).await;
        assert_eq!(answer.code(), code, "{target} {headers:?}");
    }
    let unknown = ask(&front, "/a", &[host("flowers.example:80")]).await;
    assert_eq!(unknown.told(), (404, Some("no_route")));
    let detail = "no revision takes host \"flowers.example\" and path \"/a\"";
    assert_eq!(unknown.json()["detail"], detail);
}
