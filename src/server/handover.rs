//! The end of a listener whose address another process has as well.
//!
//! Each client is led by the kernel to one of the sockets, and who was led to this one and not accepted
//! when it closes is reset. So nobody new is led here for a moment before: their first packet is
//! dropped, and when they send it again, a second later, only the other socket is left. Who had begun to
//! connect gets time to finish.

use std::time::Duration;

#[cfg(target_os = "linux")]
use socket2::SockFilter;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};

use super::Server;
use crate::proxy::connect::Dial;

/// How long who has begun to connect may take for it: less than the second after which who is turned away
/// tries again, more than most ways take there and back.
const CONNECTING: Duration = Duration::from_millis(100);

/// Whether another process may listen there, too.
pub(super) fn is_shared(listener: &TcpListener) -> bool {
    SockRef::from(listener).reuse_port().unwrap_or(false)
}

impl<D: Dial> Server<D> {
    /// Lets nobody new in, and whoever is about to come.
    pub(super) async fn hand_over(&self, listener: &TcpListener) {
        if let Err(error) = turn_away(listener) {
            tracing::warn!(%error, "a client that connects now may be reset");
            return;
        }
        let until = Instant::now() + CONNECTING;
        while let Ok(accepted) = timeout_at(until, listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => self.seat(stream, peer).await,
                Err(error) => super::back_off(&error).await,
            }
        }
    }
}

/// Drops packets that ask for a new connection.
#[cfg(target_os = "linux")]
fn turn_away(listener: &TcpListener) -> std::io::Result<()> {
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
    const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const SYN_AND_ACK: u32 = 0x12;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN_AND_ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(not(target_os = "linux"))]
fn turn_away(_: &TcpListener) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};
    use std::sync::Arc;

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::proxy::{Proxy, Registry, TcpDial};
    use crate::server::listen_beside_others;

    /// Sends the first packet: on this machine it is answered by then, if anybody answers.
    fn knocks(at: SocketAddr) -> Socket {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("it can");
        let _ = socket.connect(&at.into());
        socket
    }

    #[tokio::test]
    async fn who_comes_to_an_address_that_is_handed_over_is_not_let_in_and_who_came_before_is_served()
     {
        let proxy = Proxy::new(Arc::new(Registry::default()), TcpDial);
        let server = Server::new(Arc::new(proxy), 16);
        let listener = listen_beside_others(([127, 0, 0, 1], 0).into()).expect("a port");
        let at = listener.local_addr().expect("an address");
        let mut before = TcpStream::connect(at).expect("the kernel lets it in");
        let asks = b"GET / HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n";
        before.write_all(asks).expect("sent");

        let mut handing = Box::pin(server.hand_over(&listener));
        tokio::select! {
            biased;
            () = &mut handing => panic!("it takes a moment"),
            () = std::future::ready(()) => {}
        }
        knocks(at).peer_addr().expect_err("nobody lets it in");
        handing.await;

        drop(listener);
        server.drained().await;
        let mut answer = String::new();
        before.read_to_string(&mut answer).expect("a whole answer");
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
}
