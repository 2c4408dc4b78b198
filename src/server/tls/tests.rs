//! Which certificate a client is shown, what files are refused, and who is waited for how long.

use std::path::PathBuf;
use std::time::SystemTime;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::proxy::{Proxy, Registry, TcpDial};
use crate::server::{Server, listen};
use crate::tls::unverified::Unverified;

/// Files with a certificate that signs itself, and its key.
struct Pair {
    dir: TempDir,
}

impl Pair {
    fn new(names: &[&str], from: i32, to: i32) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let key = KeyPair::generate().expect("a key");
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let certificate = params.self_signed(&key).expect("signed");
        let pair = Self { dir };
        std::fs::write(pair.cert(), certificate.pem()).expect("written");
        std::fs::write(pair.key(), key.serialize_pem()).expect("written");
        pair
    }

    fn of(names: &[&str]) -> Self {
        Self::new(names, 2000, 2100)
    }

    fn cert(&self) -> PathBuf {
        self.dir.path().join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("tls.key")
    }

    fn read(&self) -> Result<Certificate, Flaw> {
        Certificate::read(&self.cert(), &self.key())
    }
}

fn year(years: u64) -> SystemTime {
    let leap_days = years / 4 + 1 - u64::from(years.is_multiple_of(4));
    let days = years * 365 + leap_days;
    // From the first of January 2000.
    SystemTime::UNIX_EPOCH + Duration::from_secs((10_957 + days) * 24 * 60 * 60)
}

#[test]
fn a_certificate_tells_its_names_and_how_long_it_holds() {
    let pair = Pair::new(&["A.example", "*.b.example"], 2001, 2031);
    let read = pair.read().expect("sound");
    assert_eq!(read.names(), ["a.example", "*.b.example"]);
    assert_eq!(read.begins(), year(1));
    assert_eq!(read.ends(), year(31));
    let old = Pair::new(&[], 2001, 2002);
    let read = old.read().expect("an expired one can be shown");
    assert_eq!((read.names(), read.ends()), (&[][..], year(2)));
}

#[test]
fn of_a_chain_the_end_that_comes_first_counts() {
    let (pair, shorter) = (
        Pair::of(&["a.example"]),
        Pair::new(&["b.example"], 2003, 2040),
    );
    let chain =
        [pair.cert(), shorter.cert()].map(|file| std::fs::read_to_string(file).expect("read"));
    std::fs::write(pair.cert(), chain.concat()).expect("written");
    let read = pair.read().expect("sound");
    assert_eq!(read.names(), ["a.example"]);
    assert_eq!((read.begins(), read.ends()), (year(3), year(40)));
}

#[test]
fn files_that_cannot_be_used_are_told_apart() {
    let (pair, other) = (Pair::of(&["a.example"]), Pair::of(&["a.example"]));
    let mismatch = Certificate::read(&pair.cert(), &other.key()).expect_err("not its key");
    assert_eq!(
        mismatch,
        Flaw::Key("it is not the key of the certificate".to_owned())
    );
    let swapped = Certificate::read(&pair.key(), &pair.cert()).expect_err("the wrong way round");
    assert_eq!(
        swapped,
        Flaw::Certificate("it has no section with a certificate (PEM)".to_owned())
    );
    std::fs::write(pair.key(), "nonsense").expect("written");
    assert_eq!(
        pair.read().expect_err("no key"),
        Flaw::Key("it has no section with a key (PEM)".to_owned())
    );
    std::fs::remove_file(pair.key()).expect("removed");
    assert_eq!(
        pair.read().expect_err("no file"),
        Flaw::Key("it could not be read: no such file".to_owned())
    );
    std::fs::write(
        pair.cert(),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .expect("written");
    std::fs::copy(other.key(), pair.key()).expect("written");
    let Err(Flaw::Certificate(why)) = pair.read() else {
        panic!("it is no certificate");
    };
    assert!(
        why.starts_with("it has no certificate that can be used: "),
        "{why}"
    );
}

#[test]
fn authorities_are_read_or_refused() {
    let pair = Pair::of(&["a.example"]);
    ClientCertificates::read(&pair.cert(), true).expect("an authority");
    let none = ClientCertificates::read(&pair.key(), false).expect_err("it has a key alone");
    assert_eq!(none, "it has no section with a certificate (PEM)");
}

/// A server without revisions that shows these, and where.
fn showing(pairs: &[&Pair]) -> (Server<TcpDial>, std::net::SocketAddr) {
    let certificates: Vec<_> = pairs
        .iter()
        .map(|pair| pair.read().expect("sound"))
        .collect();
    let tls = Arc::new(Tls::new(&certificates, None));
    let proxy = Arc::new(Proxy::new(Arc::new(Registry::default()), TcpDial));
    let server = Server::new(proxy, 1);
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let secured = server.secured(tls);
    tokio::spawn(async move { secured.accept(listener).await });
    (server, address)
}

/// The certificate that a client is shown who asks for this name, as the file has it.
async fn shown(
    address: std::net::SocketAddr,
    name: &str,
    version: &'static rustls::SupportedProtocolVersion,
) -> CertificateDer<'static> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("there are suites")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unverified::new(provider())))
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.expect("a handshake");
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().expect("it was shown one");
    chain[0].clone().into_owned()
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_for_the_name_that_it_asks_for() {
    let first = Pair::of(&["first.example"]);
    let any = Pair::of(&["*.models.example", "models.example"]);
    let one = Pair::of(&["One.models.example"]);
    let (_server, address) = showing(&[&first, &any, &one]);
    //          asked for                 => shown
    let table = [
        ("first.example", &first),
        ("models.example", &any),
        ("two.models.example", &any),
        ("one.models.example", &one),
        ("ONE.Models.example", &one),
        ("a.two.models.example", &first),
        ("elsewhere.example", &first),
        ("127.0.0.1", &first),
    ];
    for (name, pair) in table {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let shown = shown(address, name, version).await;
            let want = pair.read().expect("sound");
            assert_eq!(shown, want.key.cert[0], "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_shake_hands_in_time_gives_the_place_back() {
    use tokio::io::AsyncReadExt as _;
    let pair = Pair::of(&["a.example"]);
    let (server, address) = showing(&[&pair]);
    // There is one place.
    let mut silent = TcpStream::connect(address).await.expect("it listens");
    let began = tokio::time::Instant::now();
    let ended = silent.read(&mut [0; 1]).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    assert!(began.elapsed() >= HANDSHAKE);
    shown(address, "a.example", &rustls::version::TLS13).await;
    let drained = tokio::time::timeout(Duration::from_secs(5), server.drained());
    drained.await.expect("nobody is left");
}
