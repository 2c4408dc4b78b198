//! The gate's end of the keeper: tells it of every process group before the command in it runs,
//! and starts it again, telling it everything, should it die.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::helper::KEEPER;

/// An answer takes microseconds; a keeper that takes so long is stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries to start a keeper that is needed.
const RETRY: Duration = Duration::from_secs(1);

/// One keeper process; clones speak to the same one. It ends with the last clone.
#[derive(Clone, Debug)]
pub struct Keeper {
    orders: mpsc::UnboundedSender<Order>,
}

#[derive(Debug)]
enum Order {
    Tell {
        group: i32,
        known: oneshot::Sender<io::Result<()>>,
    },
    Forget {
        group: i32,
    },
}

impl Keeper {
    /// `exe` is a binary that understands `keeper`: our own. It is started when first needed.
    /// Must be called inside a tokio runtime.
    #[must_use]
    pub fn new(exe: PathBuf) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        let clerk = Clerk {
            exe,
            groups: BTreeSet::new(),
            line: None,
        };
        tokio::spawn(clerk.run(inbox));
        Self { orders }
    }

    /// Returns when the keeper knows the group: from then on it will not survive us.
    pub async fn tell(&self, group: i32) -> io::Result<()> {
        let (known, answer) = oneshot::channel();
        let gone = || io::Error::other("the keeper is gone");
        self.orders
            .send(Order::Tell { group, known })
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// The group is gone; its number may come back as somebody else's.
    pub fn forget(&self, group: i32) {
        // Without a keeper there is nobody to forget it.
        let _ = self.orders.send(Order::Forget { group });
    }
}

struct Clerk {
    exe: PathBuf,
    groups: BTreeSet<i32>,
    line: Option<Line>,
}

impl Clerk {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut failed = false;
        loop {
            let needed = self.line.is_none() && !self.groups.is_empty();
            if needed
                && !failed
                && let Err(error) = self.connect().await
            {
                warn!(%error, "could not start the keeper");
                failed = true;
                continue;
            }
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                () = ended(self.line.as_mut()) => {
                    warn!("the keeper has ended");
                    self.line = None;
                }
                () = sleep(RETRY), if failed => failed = false,
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Tell { group, known } => {
                let told = self.tell(group).await;
                if told.is_ok() {
                    self.groups.insert(group);
                }
                // Who asked may have given up; the launcher forgets the group then.
                let _ = known.send(told);
            }
            Order::Forget { group } => {
                if self.groups.remove(&group)
                    && let Some(line) = &mut self.line
                    && line.say('-', group).await.is_err()
                {
                    self.hang_up();
                }
            }
        }
    }

    async fn tell(&mut self, group: i32) -> io::Result<()> {
        if let Some(line) = &mut self.line {
            if line.say('+', group).await.is_ok() {
                return Ok(());
            }
            self.hang_up();
        }
        self.connect().await?.say('+', group).await
    }

    /// A keeper that does not answer is killed first: the end of file would have it kill everybody.
    fn hang_up(&mut self) {
        if let Some(mut line) = self.line.take() {
            // One that has ended already is just as good.
            let _ = line.child.start_kill();
        }
    }

    /// Starts a keeper and tells it everything.
    async fn connect(&mut self) -> io::Result<&mut Line> {
        self.line = Some(Line::open(&self.exe)?);
        for group in self.groups.clone() {
            if let Some(line) = &mut self.line
                && let Err(error) = line.say('+', group).await
            {
                self.hang_up();
                return Err(error);
            }
        }
        self.line
            .as_mut()
            .ok_or_else(|| io::Error::other("the keeper has ended"))
    }
}

async fn ended(line: Option<&mut Line>) {
    match line {
        // An error says that there is no such child any more.
        Some(line) => drop(line.child.wait().await),
        None => std::future::pending().await,
    }
}

/// A running keeper.
struct Line {
    child: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

impl Line {
    fn open(exe: &Path) -> io::Result<Self> {
        let mut child = Command::new(exe)
            .arg0(KEEPER)
            .arg(KEEPER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C on the terminal goes to our group; the keeper must outlive it.
            .process_group(0)
            .spawn()?;
        let missing = || io::Error::other("the keeper has no pipes");
        let to = child.stdin.take().ok_or_else(missing)?;
        let from = child.stdout.take().ok_or_else(missing)?;
        Ok(Self {
            child,
            to,
            from: BufReader::new(from).lines(),
        })
    }

    async fn say(&mut self, sign: char, group: i32) -> io::Result<()> {
        let exchange = async {
            self.to
                .write_all(format!("{sign}{group}\n").as_bytes())
                .await?;
            match self.from.next_line().await? {
                Some(_ok) => Ok(()),
                None => Err(io::Error::other("the keeper has ended")),
            }
        };
        timeout(ANSWER_WITHIN, exchange)
            .await
            .map_err(|_| io::Error::other("the keeper does not answer"))?
    }
}
