//! TLS as clients and files have it: certificates that change while it is used, clients that have to
//! show one, and answers that are cut.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::support::*;
use crate::support::{Authority, Workers};

/// A folder as a mounted Secret is one: its files are links that lead through a link that is swapped.
pub(super) struct Secret {
    dir: TempDir,
    versions: AtomicUsize,
}

impl Secret {
    pub(super) fn new(pair: &(String, String)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let secret = Self {
            dir,
            versions: AtomicUsize::new(0),
        };
        secret.swap(pair);
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), secret.at(name)).expect("linked");
        }
        secret
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Both files at once, as the kubelet does it.
    pub(super) fn swap(&self, (certificate, key): &(String, String)) {
        let version = format!("..{}", self.versions.fetch_add(1, Relaxed));
        std::fs::create_dir(self.at(&version)).expect("made");
        std::fs::write(self.at(&version).join("tls.crt"), certificate).expect("written");
        std::fs::write(self.at(&version).join("tls.key"), key).expect("written");
        symlink(&version, self.at("..new")).expect("linked");
        std::fs::rename(self.at("..new"), self.at("..data")).expect("swapped");
    }

    fn flags(&self) -> Vec<String> {
        let file = |name| self.at(name).display().to_string();
        [
            ["--tls-listen", "127.0.0.1:0"].map(str::to_owned).to_vec(),
            vec!["--tls-cert-file".to_owned(), file("tls.crt")],
            vec!["--tls-key-file".to_owned(), file("tls.key")],
        ]
        .concat()
    }
}

/// A gate with one model server, and where it speaks TLS.
async fn run(secret: &Secret, more: &[&str], settings: &Settings) -> (Gate, SocketAddr) {
    let flags = secret.flags();
    let flags: Vec<_> = flags
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    let gate = settings.run(&flags).await;
    let at = spoken_at(&gate).await;
    (gate, at)
}

/// Where a gate speaks TLS.
pub(super) async fn spoken_at(gate: &Gate) -> SocketAddr {
    let mut log = gate.log().reread();
    let line = log.next(|line| line.says("TLS on https://")).await;
    let at = line.message()["TLS on https://".len()..].parse();
    at.expect("an address")
}

pub(super) async fn shake(
    client: &TlsConnector,
    to: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    shake_with(client, to, "gate.example").await
}

/// Asks for a server of this name.
async fn shake_with(
    client: &TlsConnector,
    to: SocketAddr,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(to).await?;
    let name = ServerName::try_from(name).expect("a name");
    let shaken = timeout(PATIENCE, client.connect(name, stream)).await;
    shaken.expect("it does not take so long")
}

const ASK: &[u8] =
    b"POST /v1/models/m:predict HTTP/1.1\r\nhost: gate.example\r\ncontent-length: 2\r\n\r\n{}";

/// Asks on a connection that is kept, and reads the head and the body of the answer.
pub(super) async fn ask(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    stream.write_all(ASK).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let read = timeout(PATIENCE, stream.read_buf(&mut answer)).await;
        if read.expect("it does not take so long")? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8(answer).expect("text"))
}

/// The certificate that was shown, as PEM has it.
pub(super) fn is_shown(stream: &TlsStream<TcpStream>, pem: &str) -> bool {
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().expect("it was shown one");
    shown[0] == CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_change_under_load_without_a_failed_handshake() {
    let authority = Authority::new();
    let first = authority.sign("gate.example", 2100);
    let secret = Secret::new(&first);
    let settings = Settings::new(&[revision("m", "minReplicas: 1", "")]);
    let (gate, address) = run(&secret, &[], &settings).await;
    let mut log = gate.log().reread();
    let client = authority.client(None);
    let mut kept = shake(&client, address).await.expect("a handshake");
    assert!(
        ask(&mut kept)
            .await
            .expect("an answer")
            .starts_with("HTTP/1.1 200 ")
    );

    let asking = client.clone();
    let mut workers = Workers::start(4, move || {
        let client = asking.clone();
        async move {
            let mut stream = shake(&client, address).await.expect("a handshake");
            let answer = ask(&mut stream).await.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    });
    for _ in 0..5 {
        let next = authority.sign("gate.example", 2100);
        secret.swap(&next);
        log.next(|line| {
            line.says("certificates were read") && line.text("why") == "a file changed"
        })
        .await;
        let stream = shake(&client, address).await.expect("a handshake");
        assert!(is_shown(&stream, &next.0), "the new one is shown");
        workers.are_served().await;
    }
    workers.end().await;
    assert!(is_shown(&kept, &first.0));
    let answer = ask(&mut kept).await.expect("the old connection goes on");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_leaves_the_old_one_in_place() {
    let authority = Authority::new();
    let first = authority.sign("gate.example", 2100);
    let secret = Secret::new(&first);
    let settings = Settings::new(&[revision("m", "minReplicas: 1", "")]);
    let (gate, address) = run(&secret, &["--watch-config", "false"], &settings).await;
    let mut log = gate.log();
    let client = authority.client(None);
    let other = authority.sign("gate.example", 2100);
    let bad = [
        (other.0.clone(), first.1.clone()),
        ("nonsense".to_owned(), other.1.clone()),
    ];
    for (pair, why) in bad
        .iter()
        .zip(["tls.key: it is not the key", "tls.crt: it has no section"])
    {
        secret.swap(pair);
        gate.signal(Signal::HUP);
        let line = log.next(|line| line.says("not understood")).await;
        let complaint = line.text("complaint");
        assert!(complaint.contains(why), "{complaint}");
        log.next(|line| line.says("what cannot be used stays"))
            .await;
        let stream = shake(&client, address).await.expect("a handshake");
        assert!(is_shown(&stream, &first.0), "the old one stays");
    }
    secret.swap(&other);
    gate.signal(Signal::HUP);
    log.next(|line| line.says("certificates were read")).await;
    let stream = shake(&client, address).await.expect("a handshake");
    assert!(
        is_shown(&stream, &other.0),
        "the next that can be used is shown"
    );
    let metrics = gate.admin("/metrics").await.text();
    let told = "holdgate_certificate_expiry_timestamp_seconds{name=\"gate.example\"} 4102444800.0";
    assert!(metrics.contains(told), "{metrics}");

    // What changes is taken from the next expired one as well, but said.
    secret.swap(&authority.sign("gate.example", 2020));
    gate.signal(Signal::HUP);
    let warning = log.next(|line| line.says("may not do")).await;
    log.next(|line| line.says("certificates were read")).await;
    let warning = warning.text("warning");
    assert!(
        warning.ends_with("tls.crt: it expired on 2020-01-01"),
        "{warning}"
    );
    shake(&client, address)
        .await
        .expect_err("a client does not take it");
}

#[tokio::test]
async fn what_cannot_be_used_stays_as_it_was_while_the_rest_is_taken() {
    let authority = Authority::new();
    let sign = |name| authority.sign(name, 2100);
    let (first, second) = (sign("gate.example"), sign("other.example"));
    let (secrets, client) = (
        [Secret::new(&first), Secret::new(&second)],
        authority.client(None),
    );
    let [own, further] = secrets.each_ref().map(|secret| {
        let file = |name| secret.at(name).display().to_string();
        (file("tls.crt"), file("tls.key"))
    });
    let settings = Settings::new(&[]);
    settings.write_text(&format!(
        "tls: {{ listen: 127.0.0.1:0, certFile: {}, keyFile: {}, certificates: [{{ cert: {}, key: {} }}] }}\n\
         revisions:\n{}",
        own.0,
        own.1,
        further.0,
        further.1,
        revision("m", "minReplicas: 0", "")
    ));
    let gate = settings.run(&["--watch-config", "false"]).await;
    let address = spoken_at(&gate).await;
    let shown = async |name, pair: &(String, String)| {
        let stream = shake_with(&client, address, name).await;
        is_shown(&stream.expect("a handshake"), &pair.0)
    };
    assert!(shown("gate.example", &first).await && shown("other.example", &second).await);
    assert!(shown("OTHER.Example", &second).await, "as names are");

    let renewed = sign("gate.example");
    secrets[0].swap(&renewed);
    secrets[1].swap(&("nonsense".to_owned(), second.1.clone()));
    gate.signal(Signal::HUP);
    let mut log = gate.log();
    log.next(|line| line.says("what cannot be used stays"))
        .await;
    assert!(shown("gate.example", &renewed).await);
    assert!(shown("other.example", &second).await, "the old one");

    let renewed = sign("other.example");
    secrets[1].swap(&renewed);
    gate.signal(Signal::HUP);
    log.next(|line| line.says("certificates were read")).await;
    assert!(shown("other.example", &renewed).await);
}

#[tokio::test]
async fn a_client_shows_a_certificate_where_one_is_wanted() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let secret = Secret::new(&authority.sign("gate.example", 2100));
    let ca = secret.at("ca.crt");
    std::fs::write(&ca, authority.pem()).expect("written");
    let ca = ca.display().to_string();
    let settings = Settings::new(&[revision("m", "minReplicas: 1", "")]);
    let own = authority.sign("someone", 2100);
    //           shows                             => served where one is required, and where optional
    let table = [
        (Some(own), true, true),
        (None, false, true),
        (Some(stranger.sign("someone", 2100)), false, false),
        (Some(authority.sign("someone", 2020)), false, false),
    ];
    for need in ["required", "optional"] {
        let flags = [
            "--tls-client-ca-file",
            &ca,
            "--tls-client-certificates",
            need,
        ];
        let (_gate, address) = run(&secret, &flags, &settings).await;
        for (shows, required, optional) in table.clone() {
            let who = if shows.is_some() {
                "with one"
            } else {
                "without"
            };
            let want = if need == "required" {
                required
            } else {
                optional
            };
            let client = authority.client(shows);
            // With TLS 1.3 a client hears of a refusal only after its own part of the handshake.
            let answer = match shake(&client, address).await {
                Ok(mut stream) => ask(&mut stream).await,
                Err(refused) => Err(refused),
            };
            match answer {
                Ok(answer) => assert!(want && answer.contains(" 200 "), "{need} {who}: {answer}"),
                Err(error) => {
                    assert!(!want, "{need} {who}: {error}");
                    let told = error.to_string();
                    assert!(told.contains("alert"), "{need} {who} is told why: {told}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_client_chooses_between_http2_and_http1() {
    let authority = Authority::new();
    let secret = Secret::new(&authority.sign("gate.example", 2100));
    let settings = Settings::new(&[revision("m", "minReplicas: 1", "")]);
    let (_gate, address) = run(&secret, &[], &settings).await;
    for (offers, want) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1"][..], Some(&b"http/1.1"[..])),
        (&[][..], None),
    ] {
        let mut config = authority.client(None).config().as_ref().clone();
        config.alpn_protocols = offers.iter().map(|&name| name.into()).collect();
        let client = TlsConnector::from(Arc::new(config));
        let mut stream = shake(&client, address).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), want);
        if want != Some(b"h2") {
            assert!(ask(&mut stream).await.expect("an answer").contains(" 200 "));
            continue;
        }
        let io = hyper_util::rt::TokioIo::new(stream);
        let executor = hyper_util::rt::TokioExecutor::new();
        let shaken = hyper::client::conn::http2::handshake(executor, io).await;
        let (mut sender, connection) = shaken.expect("HTTP/2");
        tokio::spawn(connection);
        let question = http::Request::post("https://gate.example/v1/models/m:predict");
        let question = question.body(String::from("{}")).expect("a request");
        let answer = timeout(PATIENCE, sender.send_request(question)).await;
        let answer = answer.expect("it comes").expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), answer.version()),
            (200, http::Version::HTTP_2)
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_looks_cut_to_who_knows_its_end_only_by_the_connection() {
    let authority = Authority::new();
    let secret = Secret::new(&authority.sign("gate.example", 2100));
    let endless = revision("m", "minReplicas: 1", "--tokens 10000 --token-time 20ms");
    let (gate, address) = run(&secret, &[], &Settings::new(&[endless])).await;
    let server = gate.log().next_start("m").await;
    gate.log().next_ready("m").await;
    let client = authority.client(None);
    let mut stream = shake(&client, address).await.expect("a handshake");
    let body = r#"{"model":"m","stream":true}"#;
    let head = format!(
        "POST /v1/completions HTTP/1.0\r\nhost: m.test\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.flush().await.expect("sent");
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("data: ") {
        let read = timeout(PATIENCE, stream.read_buf(&mut answer)).await;
        let read = read.expect("it begins in time").expect("it begins");
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
    }
    rustix::process::kill_process(server.pids[0], Signal::KILL).expect("it is there");
    let rest = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let ended = rest.expect("it ends").expect_err("it is not whole");
    let kinds = [
        std::io::ErrorKind::ConnectionReset,
        std::io::ErrorKind::UnexpectedEof,
    ];
    assert!(kinds.contains(&ended.kind()), "{ended:?}");
}
