//! What pods report on metrics pages of their own.

use super::*;
use crate::revision::Scrape;

#[tokio::test]
async fn what_pods_report_themselves_is_read_from_their_own_pages() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint(listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            let page = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nwaiting 4.5";
            stream.write_all(page.as_bytes()).await.unwrap();
        }
    });
    let mut scene = Scene::new(&[None]);
    scene.ready(1, "a");
    let scrape = Arc::new(Scrape {
        name: "waiting".into(),
        path: "/metrics".into(),
    });
    let metrics = [ScaleMetric::Scraped(scrape)];
    scene
        .world
        .send_modify(|world| world.replicas[0].endpoint = None);
    assert_eq!(scene.gauges.read(&metrics).await, [Err(Missing::NotYet)]);
    scene
        .world
        .send_modify(|world| world.replicas[0].endpoint = Some(endpoint));
    assert_eq!(scene.gauges.read(&metrics).await, [Ok(4.5)]);
    assert_eq!(
        scene.server.calls().len(),
        0,
        "nobody asked for cpu or memory"
    );
}

#[tokio::test]
async fn who_hangs_up_on_us_because_it_leaves_is_no_failure() {
    for leaves in [false, true] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint(listener.local_addr().unwrap());
        let mut scene = Scene::new(&[None]);
        scene.ready(1, "a");
        let ready = |view: &mut ReplicaView| view.endpoint = Some(endpoint);
        scene
            .world
            .send_modify(|world| ready(&mut world.replicas[0]));
        let scrape = Arc::new(Scrape {
            name: "waiting".into(),
            path: "/metrics".into(),
        });
        let world = scene.world.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let leave = |view: &mut ReplicaView| view.state = ReplicaState::Draining;
                if leaves {
                    world.send_modify(|world| leave(&mut world.replicas[0]));
                }
                drop(stream);
            }
        });
        let read = scene.gauges.read(&[ScaleMetric::Scraped(scrape)]).await;
        let is_failure = matches!(read[0], Err(Missing::Failed(_)));
        assert_eq!(is_failure, !leaves, "{read:?}");
    }
}
