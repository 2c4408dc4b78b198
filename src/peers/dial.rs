//! From the leader to one other gateway: reaches it, again and again, and reads what it says.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::link::{Broken, LINE, Lines, Outbox, SILENCE, outbox};
use super::net::{Credential, Net};
use super::wire::{FromLeader, FromMember, Hello, Refusal, VERSION, Welcome};

/// How long an attempt to reach somebody may take.
const DIALED: Duration = Duration::from_secs(1);

/// How soon the first attempt after a failure is, and how late the last. A new leader gives out nothing of
/// one that has died before it has reached everybody who lives, and who was killed lives again at once.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(400));

/// How soon the next is where somebody does not obey.
const REFUSED: Duration = Duration::from_secs(1);

/// What happens in it, in order.
#[derive(Debug)]
pub(super) enum Heard {
    /// It obeys; what it is told is put there.
    Welcome(Welcome, Outbox),
    /// It said something.
    Said(FromMember),
    /// It obeys another leader, of this reign.
    Outdone(u64),
    /// The connection that it was welcome on is no more.
    Lost,
}

/// From the leader to one other gateway.
pub(super) struct Dialer<N> {
    pub(super) net: Arc<N>,
    pub(super) to: IpAddr,
    pub(super) name: Arc<str>,
    pub(super) reign: u64,
    pub(super) leader: Arc<str>,
    pub(super) credential: Credential,
    /// Which one of all there have been, and to whom it tells what it hears.
    pub(super) task: u64,
    pub(super) tell: mpsc::Sender<(u64, Heard)>,
}

impl<N: Net> Dialer<N> {
    /// Until nobody wants to hear any more.
    pub(super) async fn run(self) {
        let mut pause = AGAIN.0;
        let mut refused = false;
        while !self.tell.is_closed() {
            match self.meet().await {
                Met::Nobody => pause = (2 * pause).min(AGAIN.1),
                Met::Member => (pause, refused) = (AGAIN.0, false),
                Met::Refusal(why) => {
                    if !std::mem::replace(&mut refused, true) {
                        tracing::warn!(gateway = %self.name, ?why, "another gateway does not obey");
                    }
                    // Who lives since a moment ago may not know the token yet.
                    let soon = matches!(why, Refusal::Token);
                    pause = if soon { AGAIN.1 } else { REFUSED };
                }
            }
            sleep(pause).await;
        }
    }

    async fn meet(&self) -> Met {
        let Some(token) = self.credential.token() else {
            self.credential.doubt();
            return Met::Nobody;
        };
        let Ok(Ok(stream)) = timeout(DIALED, self.net.dial(self.to)).await else {
            return Met::Nobody;
        };
        let (reads, writes) = tokio::io::split(stream);
        let (outbox, outgoing) = outbox();
        outbox.send(&FromLeader::Hello(Hello {
            version: VERSION,
            reign: self.reign,
            token,
            leader: Arc::clone(&self.leader),
        }));
        let beat = b"\"beat\"\n";
        let mut met = Met::Nobody;
        let reading = self.listen(Lines::new(reads, LINE), outbox, &mut met);
        let broken = tokio::select! {
            broken = reading => broken,
            broken = outgoing.write(writes, beat) => broken,
        };
        if matches!(met, Met::Member) {
            tracing::info!(gateway = %self.name, %broken, "lost the connection to another gateway");
            let _ = self.tell.send((self.task, Heard::Lost)).await;
        } else {
            tracing::debug!(gateway = %self.name, %broken, "another gateway was not reached");
        }
        met
    }

    async fn listen<R>(&self, mut lines: Lines<R>, outbox: Outbox, met: &mut Met) -> Broken
    where
        R: tokio::io::AsyncRead + Unpin,
    {
        let welcome = timeout(SILENCE, self.greeted(&mut lines)).await;
        let welcome = match welcome {
            Ok(Ok(Ok(welcome))) => welcome,
            Ok(Ok(Err(refusal))) => {
                *met = Met::Refusal(refusal);
                return Broken::Closed;
            }
            Ok(Err(broken)) => return broken,
            Err(_) => return Broken::Silent,
        };
        *met = Met::Member;
        let mut heard = Heard::Welcome(welcome, outbox);
        loop {
            if self.tell.send((self.task, heard)).await.is_err() {
                return Broken::Closed;
            }
            heard = loop {
                match lines.next().await {
                    Ok(FromMember::Beat) => {}
                    Ok(said) => break Heard::Said(said),
                    Err(broken) => return broken,
                }
            };
        }
    }

    async fn greeted<R>(&self, lines: &mut Lines<R>) -> Result<Result<Welcome, Refusal>, Broken>
    where
        R: tokio::io::AsyncRead + Unpin,
    {
        loop {
            match lines.next().await? {
                FromMember::Beat => {}
                FromMember::Welcome(welcome) => return Ok(Ok(welcome)),
                FromMember::Refused(refusal) => {
                    match refusal {
                        Refusal::Token => self.credential.doubt(),
                        Refusal::Reign(reign) => {
                            let heard = (self.task, Heard::Outdone(reign));
                            let _ = self.tell.send(heard).await;
                        }
                        Refusal::Version(_) => {}
                    }
                    return Ok(Err(refusal));
                }
                _ => return Err(Broken::Garbage("something before its welcome".to_owned())),
            }
        }
    }
}

/// What came of an attempt.
enum Met {
    Nobody,
    Member,
    Refusal(Refusal),
}
