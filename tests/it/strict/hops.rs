//! What ends at this hop, what does not although a client says so, and what follows on a connection.

use super::{Front, LAST, SMUGGLED};

/// The one head that the replica saw of these bytes, in lower case.
async fn head(front: &Front, request: &str) -> String {
    let (statuses, targets) = front.outcome(format!("{request}{LAST}").as_bytes()).await;
    assert_eq!(statuses, [200, 200], "{request}");
    assert_eq!(targets, ["/a", "/last"], "{request}");
    front.replica.heads().remove(0).to_lowercase()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_takes_nothing_away_that_a_request_needs() {
    let front = Front::new().await;
    let named = "Host, Content-Length, Transfer-Encoding, X-Forwarded-For, Authorization, Cookie";
    let seen = head(
        &front,
        &format!(
            "POST /a HTTP/1.1\r\nHost: m\r\nConnection: {named}\r\nContent-Length: 5\r\n\
             X-Forwarded-For: 1.2.3.4\r\nAuthorization: Bearer x\r\nCookie: a=1\r\n\r\nhello"
        ),
    )
    .await;
    for kept in [
        "\r\nhost: m\r\n",
        "\r\ncontent-length: 5\r\n",
        "\r\nx-forwarded-for: 1.2.3.4, 127.0.0.1\r\n",
        "\r\nauthorization: bearer x\r\n",
        "\r\ncookie: a=1\r\n",
    ] {
        assert!(seen.contains(kept), "{kept:?} in {seen}");
    }
    assert!(!seen.contains("connection:"), "{seen}");
    let seen = head(
        &front,
        "POST /a HTTP/1.1\r\nHost: m\r\nConnection: Transfer-Encoding\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    )
    .await;
    assert!(
        seen.contains("\r\ntransfer-encoding: chunked\r\n"),
        "{seen}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_replica_is_asked_to_speak_http_2_by_a_client() {
    let front = Front::new().await;
    let seen = head(
        &front,
        "GET /a HTTP/1.1\r\nHost: m\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    )
    .await;
    assert!(!seen.contains("h2c") && !seen.contains("upgrade"), "{seen}");
    assert!(!seen.contains("http2-settings"), "{seen}");
    // Named by no Connection either, as who smuggles through a lax proxy does it.
    let seen = head(
        &front,
        "GET /a HTTP/1.1\r\nHost: m\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    )
    .await;
    assert!(!seen.contains("h2c") && !seen.contains("upgrade"), "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_at_once_is_answered_in_order() {
    let front = Front::new().await;
    let requests = format!(
        "GET /a HTTP/1.1\r\nHost: m\r\n\r\nPOST /b HTTP/1.1\r\nHost: m\r\nContent-Length: 5\r\n\r\nhello{SMUGGLED}{LAST}"
    );
    let (statuses, targets) = front.outcome(requests.as_bytes()).await;
    assert_eq!(statuses, [200; 4]);
    assert_eq!(targets, ["/a", "/b", "/smuggled", "/last"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_may_have_a_body_and_it_is_one() {
    let front = Front::new().await;
    let request = format!(
        "GET /a HTTP/1.1\r\nHost: m\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
        SMUGGLED.len()
    );
    let seen = head(&front, &request).await;
    let length = format!("\r\ncontent-length: {}\r\n", SMUGGLED.len());
    assert!(seen.contains(&length), "{seen}");
}
