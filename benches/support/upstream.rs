//! A model server that costs next to nothing: any request gets the same 247 bytes.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use tokio::net::{TcpSocket, TcpStream};

use super::wire::Wire;

/// Bytes of every answer's body: the size of the `KServe` guide's prediction.
pub(crate) const ANSWER_BYTES: usize = 247;

/// Serves until it is killed.
pub(crate) async fn serve(port: u16) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let listener = socket.listen(4096)?;
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(answer_all(client));
    }
}

async fn answer_all(client: TcpStream) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {ANSWER_BYTES}\r\n\r\n{}",
        "x".repeat(ANSWER_BYTES)
    );
    let Ok(mut wire) = Wire::new(client) else {
        return;
    };
    while let Ok(Some(_)) = wire.receive().await {
        if wire.send(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
