//! Pods that are spoken to in HTTP/2 because their port says so, and in HTTP/1.1 once it does not.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use holdgate::backend::PodSpec;
use holdgate::backend::kubernetes::doors::facts::Target;
use holdgate::backend::kubernetes::objects::{Container, Port, Template};
use holdgate::backend::kubernetes::{Server, Spoken};
use holdgate::ports::{ReplicaState, ReplicaView};
use holdgate::revision::{Endpoint, Protocol, ReplicaId};
use holdgate::server;
use http::{Response, Version};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::Front;

/// A pod that understands both, and notes what it is spoken to in.
struct Both {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Version>>>,
    _listening: AbortOnDropHandle<()>,
}

impl Both {
    fn new() -> Self {
        let listener = server::listen(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::<Mutex<Vec<Version>>>::default();
        let notes = Arc::clone(&seen);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let notes = Arc::clone(&notes);
                let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    notes.lock().push(request.version());
                    let answer = Response::new(Full::<Bytes>::from("done"));
                    async { Ok::<_, std::convert::Infallible>(answer) }
                });
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            seen,
            _listening: AbortOnDropHandle::new(listening),
        }
    }

    fn view(&self) -> ReplicaView {
        ReplicaView {
            phase: None,
            kept_by: None,
            uid: None,
            id: ReplicaId(1),
            name: Some("m-1".into()),
            endpoint: Some(Endpoint(self.address)),
            state: ReplicaState::Ready,
            since: tokio::time::Instant::now().into_std(),
            detail: None,
        }
    }
}

/// What pods are spoken to in whose port has this name, where a Service's port says this of it.
fn protocol(name: &str, said: Option<bool>) -> Protocol {
    let port = Port {
        name: Some(name.to_owned()),
        number: 9000,
    };
    let template = Template {
        containers: vec![Container {
            ports: vec![port],
            ..Container::default()
        }],
        ..Template::default()
    };
    let spoken = said.map(|http2| Spoken {
        target: Target::Name(name.to_owned()),
        http2,
    });
    let spoken: Vec<Spoken> = spoken.into_iter().collect();
    Server::of(&PodSpec::default(), &template).protocol(Protocol::Auto, &spoken)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_hears_what_its_port_says_and_a_change_is_followed() {
    let pod = Both::new();
    let mut front = Front::new(0, &[]);
    front.show(|world| world.replicas = vec![pod.view()]);
    //           port's name, what a Service says => heard
    let table = [
        ("h2c", None, Version::HTTP_2),
        ("http", None, Version::HTTP_11),
        ("http", Some(true), Version::HTTP_2),
        ("h2c", Some(false), Version::HTTP_11),
        ("http2-predict", None, Version::HTTP_2),
        ("grpc", Some(true), Version::HTTP_2),
        ("predict", None, Version::HTTP_11),
    ];
    for (name, said, want) in table {
        front.spec.protocol = protocol(name, said);
        front.route();
        pod.seen.lock().clear();
        for id in 0..5 {
            assert_eq!(front.ask(id, "/").await.code(), 200, "{name} {said:?}");
        }
        assert_eq!(*pod.seen.lock(), [want; 5], "{name} {said:?}");
    }
}
