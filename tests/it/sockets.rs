//! Upgraded connections over real sockets: how one side ends is how it ends for the other.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdgate::ports::{ReplicaState, ReplicaView, World};
use holdgate::proxy::{Proxy, Registry, Revision, TcpDial, Throttler};
use holdgate::revision::{ContainerConcurrency, Endpoint, ReplicaId};
use holdgate::server::{Server, listen};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::support::{PATIENCE, defaults, until};

const ASK: &[u8] =
    b"GET / HTTP/1.1\r\nhost: m.example\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n";
const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n";

/// A gate in front of one model server, which is the test itself.
struct Scene {
    replica: TcpListener,
    throttler: Arc<Throttler>,
    server: Server<TcpDial>,
    at: SocketAddr,
}

impl Scene {
    fn new() -> Self {
        let replica = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
        let endpoint = Endpoint(replica.local_addr().expect("it is bound"));
        let mut spec = defaults("m");
        spec.container_concurrency = ContainerConcurrency::new(1);
        let throttler = Throttler::new(spec.container_concurrency, spec.queue);
        let view = ReplicaView {
            phase: None,
            kept_by: None,
            uid: None,
            id: ReplicaId(1),
            name: None,
            endpoint: Some(endpoint),
            detail: None,
            state: ReplicaState::Ready,
            since: Instant::now().into_std(),
        };
        throttler.follow(&World {
            replicas: vec![view],
            ..World::default()
        });
        let registry = Arc::new(Registry::default());
        registry.insert(Revision {
            spec,
            throttler: Arc::clone(&throttler),
            stats: Arc::default(),
            tls: None,
        });
        let server = Server::new(Arc::new(Proxy::new(registry, TcpDial)), 2);
        let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
        let at = listener.local_addr().expect("it is bound");
        let accepting = server.clone();
        tokio::spawn(async move { accepting.accept(listener).await });
        Self {
            replica,
            throttler,
            server,
            at,
        }
    }

    /// Both ends of an upgraded connection.
    async fn open(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.at).await.expect("it listens");
        self.open_over(client).await
    }

    async fn open_over<C: AsyncRead + AsyncWrite + Unpin>(&self, mut client: C) -> (C, TcpStream) {
        client.write_all(ASK).await.expect("sent");
        client.flush().await.expect("sent");
        let accepted = timeout(PATIENCE, self.replica.accept()).await;
        let (mut replica, _) = accepted.expect("it comes").expect("a connection");
        head(&mut replica).await;
        replica.write_all(SWITCH).await.expect("sent");
        let head = head(&mut client).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        (client, replica)
    }

    /// Waits until the slot is free, and nobody is served.
    async fn until_free(&self) {
        until("the slot is free", async || {
            self.throttler.read().running == 0
        })
        .await;
    }
}

async fn head(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(PATIENCE, io.read_u8()).await;
        head.push(byte.expect("it comes").expect("a head"));
    }
    String::from_utf8(head).expect("text")
}

/// Says something on one side, and hears it on the other.
async fn pass(from: &mut (impl AsyncWrite + Unpin), to: &mut (impl AsyncRead + Unpin)) {
    from.write_all(b"hello").await.expect("sent");
    from.flush().await.expect("sent");
    let mut heard = [0; 5];
    let read = timeout(PATIENCE, to.read_exact(&mut heard)).await;
    read.expect("it comes").expect("it is there");
    assert_eq!(&heard, b"hello");
}

fn reset(stream: TcpStream) {
    let linger = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    linger.expect("it is a socket");
    drop(stream);
}

async fn end(io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<usize> {
    let read = timeout(PATIENCE, io.read(&mut [0; 16])).await;
    read.expect("it ends")
}

#[tokio::test]
async fn a_reset_on_one_side_is_one_on_the_other() {
    let scene = Scene::new();
    let (mut client, mut replica) = scene.open().await;
    pass(&mut client, &mut replica).await;
    reset(client);
    let ended = end(&mut replica).await.expect_err("no clean end");
    assert_eq!(ended.kind(), ErrorKind::ConnectionReset);
    scene.until_free().await;

    let (mut client, mut replica) = scene.open().await;
    pass(&mut replica, &mut client).await;
    reset(replica);
    let ended = end(&mut client).await.expect_err("no clean end");
    assert_eq!(ended.kind(), ErrorKind::ConnectionReset);
    scene.until_free().await;
}

#[tokio::test]
async fn an_end_of_one_side_leaves_the_other_its_word() {
    let scene = Scene::new();
    let (mut client, mut replica) = scene.open().await;
    client.shutdown().await.expect("it is open");
    assert_eq!(end(&mut replica).await.expect("a clean end"), 0);
    pass(&mut replica, &mut client).await;
    assert_eq!(scene.throttler.read().running, 1);
    drop(replica);
    assert_eq!(end(&mut client).await.expect("a clean end"), 0);
    scene.until_free().await;

    let (mut client, mut replica) = scene.open().await;
    replica.shutdown().await.expect("it is open");
    assert_eq!(end(&mut client).await.expect("a clean end"), 0);
    pass(&mut client, &mut replica).await;
    drop(client);
    assert_eq!(end(&mut replica).await.expect("a clean end"), 0);
    scene.until_free().await;
}

#[tokio::test]
async fn it_keeps_its_place_among_the_connections() {
    let scene = Scene::new();
    let (mut client, mut replica) = scene.open().await;
    // There are two places, and one of them is taken.
    let mut other = TcpStream::connect(scene.at).await.expect("it is let in");
    let ask = b"GET /nowhere HTTP/1.1\r\nhost: m.example\r\nupgrade: chat\r\n\r\n";
    other.write_all(&ask[..20]).await.expect("sent");
    let mut third = TcpStream::connect(scene.at)
        .await
        .expect("the kernel takes it");
    third.write_all(ASK).await.expect("sent");
    for _ in 0..20 {
        pass(&mut client, &mut replica).await;
        pass(&mut replica, &mut client).await;
    }
    assert_eq!(scene.server.busy(), 3, "two clients, and who accepts them");
    let none = third.try_read(&mut [0; 1]).expect_err("nobody serves it");
    assert_eq!(none.kind(), ErrorKind::WouldBlock);
    drop(other);
    drop(client);
    drop(replica);
    let accepted = timeout(PATIENCE, scene.replica.accept()).await;
    accepted.expect("its turn").expect("a connection");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn it_is_the_same_behind_tls() {
    use holdgate::server::tls::{Certificate, Tls};
    use rustls::pki_types::ServerName;
    use tokio_rustls::TlsConnector;

    let scene = Scene::new();
    let signed = rcgen::generate_simple_self_signed(vec!["gate.example".to_owned()]);
    let signed = signed.expect("a certificate");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (cert, key) = (dir.path().join("tls.crt"), dir.path().join("tls.key"));
    std::fs::write(&cert, signed.cert.pem()).expect("written");
    std::fs::write(&key, signed.signing_key.serialize_pem()).expect("written");
    let certificate = Certificate::read(&cert, &key).expect("sound");
    let server = scene
        .server
        .secured(Arc::new(Tls::new(&[certificate], None)));
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    let at = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { server.accept(listener).await });

    let mut roots = rustls::RootCertStore::empty();
    roots.add(signed.cert.der().clone()).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("there are suites")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let shake = async || {
        let stream = TcpStream::connect(at).await.expect("it listens");
        let name = ServerName::try_from("gate.example").expect("a name");
        connector.connect(name, stream).await.expect("a handshake")
    };

    let (mut client, mut replica) = scene.open_over(shake().await).await;
    pass(&mut client, &mut replica).await;
    client.shutdown().await.expect("it is open");
    assert_eq!(end(&mut replica).await.expect("a clean end"), 0);
    pass(&mut replica, &mut client).await;
    drop(replica);
    assert_eq!(end(&mut client).await.expect("a clean end"), 0);
    scene.until_free().await;

    let (mut client, mut replica) = scene.open_over(shake().await).await;
    pass(&mut replica, &mut client).await;
    reset(replica);
    end(&mut client).await.expect_err("no clean end");
    scene.until_free().await;

    // Gone without a word of TLS: nobody can tell whether that was all.
    let (client, mut replica) = scene.open_over(shake().await).await;
    drop(client.into_inner());
    end(&mut replica).await.expect_err("no clean end");
    scene.until_free().await;
}
