//! A model server that costs next to nothing: any request gets the same answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use tokio::net::{TcpSocket, TcpStream};

use super::wire::Wire;

/// Bytes of every answer's body: the size of the `KServe` guide's prediction.
pub(crate) const ANSWER_BYTES: usize = 247;

/// Serves until it is killed, answers of so many bytes.
pub(crate) async fn serve(port: u16, bytes: usize) -> Result<()> {
    let answer: Arc<[u8]> = Arc::from(answer(bytes).into_bytes());
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let listener = socket.listen(4096)?;
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(answer_all(client, Arc::clone(&answer)));
    }
}

fn answer(bytes: usize) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {bytes}\r\n\r\n{}",
        "x".repeat(bytes)
    )
}

async fn answer_all(client: TcpStream, answer: Arc<[u8]>) {
    let Ok(mut wire) = Wire::new(client) else {
        return;
    };
    while let Ok(Some(_)) = wire.receive().await {
        if wire.send(&answer).await.is_err() {
            return;
        }
    }
}
