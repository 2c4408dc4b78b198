//! Several gateways of one installation in one process: each with its own throttlers, pods' actor and
//! autoscaler, over one simulated cluster, in which a model server counts its own requests.

mod ends;
mod kills;
mod limit;
mod scaling;
mod second;
mod town;
mod wires;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use self::town::{Inside, Town};
use self::wires::Wires;
use super::super::sharing::Lease;
use super::*;
use crate::backend::kubernetes::pods::tests::city::City;
use crate::peers::{GatewayPod, PodState, Roll};

const HOST: &str = "flowers.ns";

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// An installation: a cluster, and the gateways in it.
struct Installation {
    city: City,
    wires: Arc<Wires>,
    limit: u32,
    posts: Vec<Option<Post>>,
    pods: Vec<GatewayPod>,
    reign: u64,
    /// Whoever leads ends without giving its lease back.
    crashes: bool,
    /// A gateway hears of the revision so long after everything else.
    late: Duration,
}

/// One gateway.
struct Post {
    uid: Arc<str>,
    registry: Arc<Registry>,
    sharing: Sharing,
    tenure: watch::Sender<Tenure>,
    number: watch::Sender<Option<u64>>,
    /// What the leader before has left behind is known.
    learned: watch::Sender<bool>,
    roll: watch::Sender<Roll>,
    _gateway: AbortOnDropHandle<()>,
    /// What runs at it; ends with it.
    inside: Arc<Mutex<Vec<AbortOnDropHandle<()>>>>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Served {
    waited: Duration,
}

impl Installation {
    /// So many replicas with a hard limit (0: none), all of them ready, and so many gateways; the
    /// first leads.
    async fn new(replicas: u32, limit: u32, gateways: usize) -> Self {
        let city = City::new(replicas);
        city.starts_within(ms(400));
        sleep(secs(2)).await;
        let mut installation = Self {
            city,
            wires: Arc::default(),
            limit,
            posts: Vec::new(),
            pods: Vec::new(),
            reign: 0,
            crashes: true,
            late: Duration::ZERO,
        };
        for _ in 0..gateways {
            installation.start();
        }
        installation.leads(0);
        sleep(secs(5)).await;
        installation
    }

    /// One gateway more. Returns which.
    fn start(&mut self) -> usize {
        let number = self.posts.len();
        let uid: Arc<str> = format!("gateway-{number}").into();
        let ip = wires::ip(number);
        self.pods.push(GatewayPod {
            uid: uid.clone(),
            name: uid.clone(),
            ip: Some(ip),
            node: None,
            created: crate::sync::wall(),
            state: PodState::Living,
            since: Some(crate::sync::wall()),
            restarted: None,
        });
        let roll = watch::Sender::new(Roll::default());
        let tenure = watch::Sender::new(Tenure::default());
        let reigns = watch::Sender::new(None);
        let peers = self.wires.join(&uid, ip, roll.subscribe());
        let learned = watch::Sender::new(true);
        let lease = Lease {
            tenure: tenure.subscribe(),
            number: reigns.subscribe(),
            inherits: watch::Sender::new(self.crashes).subscribe(),
            learned: learned.subscribe(),
            outdone: watch::Sender::new(0),
        };
        let sharing = Sharing::start(peers, roll.subscribe(), lease);
        let registry = Arc::new(Registry::default());
        let gateway = self.gateway(&registry, &sharing);
        self.posts.push(Some(Post {
            uid,
            registry,
            sharing,
            tenure,
            number: reigns,
            learned,
            roll,
            _gateway: AbortOnDropHandle::new(tokio::spawn(gateway)),
            inside: Arc::default(),
        }));
        self.call();
        number
    }

    /// A gateway that does what it may.
    fn gateway(
        &self,
        registry: &Arc<Registry>,
        sharing: &Sharing,
    ) -> impl Future<Output = ()> + Send + 'static {
        let town = Arc::new(Town(self.city.clone()));
        let board = Arc::new(Board::new(Arc::clone(registry)));
        let known = (Arc::clone(registry), board);
        let recorder = Recorder::default();
        let mut gateway = Gateway::new(town, known, recorder, None, sharing.clone());
        let target = if self.limit == 0 { 10 } else { self.limit };
        let settings = json!({ "limit": self.limit, "target": target, "hosts": HOST });
        let mut claim = claim("flowers.ns", 0, settings);
        claim.owner = City::deployment();
        let claims = Claims::from([(claim.revision.clone(), Arc::new(claim))]);
        let mut tenure = sharing.tenure().expect("it has others");
        let late = self.late;
        if late.is_zero() {
            gateway.apply(&claims, &read, false);
        }
        async move {
            if !late.is_zero() {
                sleep(late).await;
                gateway.apply(&claims, &read, false);
            }
            loop {
                gateway.reign(*tenure.borrow_and_update());
                if tenure.changed().await.is_err() {
                    return;
                }
            }
        }
    }

    /// Everybody hears who is there.
    fn call(&self) {
        for post in self.posts.iter().flatten() {
            let others = self.pods.iter().filter(|pod| pod.uid != post.uid);
            let others = others.cloned().collect();
            let seen = post.roll.borrow().seen.or(Some(crate::sync::now()));
            post.roll.send_replace(Roll { others, seen });
        }
    }

    /// This one holds the lease from now on.
    fn leads(&mut self, number: usize) {
        self.reign += 1;
        for (at, post) in self.posts.iter().enumerate() {
            let Some(post) = post else { continue };
            let steers = at == number;
            post.number.send_replace(steers.then_some(self.reign));
            let heard = true;
            post.tenure.send_replace(Tenure { steers, heard });
        }
    }

    fn post(&self, number: usize) -> &Post {
        self.posts[number].as_ref().expect("it is there")
    }

    /// Its node takes it away at once, and all that runs at it; kubelet tells a moment later.
    async fn kill(&mut self, number: usize) {
        let post = self.posts[number].take().expect("it is there");
        self.wires.cut(wires::ip(number));
        drop(post);
        sleep(ms(300)).await;
        self.pods[number].state = PodState::Ended(crate::sync::now());
        self.call();
    }

    /// It has been told to end, and has nothing more to do.
    async fn end(&mut self, number: usize) {
        let post = self.posts[number].take().expect("it is there");
        post.sharing.leave().await;
        self.wires.cut(wires::ip(number));
        drop(post);
        sleep(ms(300)).await;
        self.pods[number].state = PodState::Ended(crate::sync::now());
        self.call();
    }

    /// Somebody asks at a gateway, of what takes so long.
    fn ask(&self, number: usize, service: Duration) -> JoinHandle<Option<Served>> {
        let post = self.post(number);
        let revision = post.registry.by_host(HOST).expect("it is claimed");
        let city = self.city.clone();
        let (tell, told) = tokio::sync::oneshot::channel();
        let asking = async move {
            let _ = tell.send(ask(&revision, &city, service).await);
        };
        let asking = AbortOnDropHandle::new(tokio::spawn(asking));
        post.inside.lock().push(asking);
        tokio::spawn(async move { told.await.ok() })
    }

    /// Load at gateways, each with so many clients that ask again as soon as they are answered.
    fn load(&self, at: &[usize], clients: usize, service: Duration, lasts: Duration) -> Load {
        let until = Instant::now() + lasts;
        let served = Arc::new(Mutex::new(Vec::new()));
        for &number in at {
            for client in 0..clients {
                let post = self.post(number);
                let revision = post.registry.by_host(HOST).expect("it is claimed");
                let (city, served) = (self.city.clone(), Arc::clone(&served));
                // No two of them alike.
                let service = service + ms(u64::try_from(client % 7).expect("small"));
                let asking = tokio::spawn(async move {
                    while Instant::now() < until {
                        let answer = ask(&revision, &city, service).await;
                        served.lock().push(answer);
                    }
                });
                post.inside.lock().push(AbortOnDropHandle::new(asking));
            }
        }
        Load { until, served }
    }

    /// Slots that a gateway may use.
    fn slots(&self, number: usize) -> u32 {
        let post = self.post(number);
        let revision = post.registry.by_host(HOST).expect("it is claimed");
        let held = revision.throttler.holdings();
        held.iter().map(|holding| holding.slots).sum()
    }

    /// How this gateway stands to the others.
    fn standing(&self, number: usize) -> super::super::sharing::Standing {
        let standing = self.post(number).sharing.standing();
        standing.expect("it has others").borrow().clone()
    }
}

/// Clients that ask and ask.
struct Load {
    until: Instant,
    served: Arc<Mutex<Vec<Served>>>,
}

impl Load {
    /// How many were served until all were, and the longest that one waited.
    async fn over(self) -> (usize, Duration) {
        tokio::time::sleep_until(self.until + secs(20)).await;
        let served = self.served.lock();
        let longest = served.iter().map(|served| served.waited).max();
        (served.len(), longest.unwrap_or_default())
    }
}

/// A request that stays until it is answered. What is cut ends in the pod as well.
async fn ask(revision: &Revision, city: &City, service: Duration) -> Served {
    let begun = Instant::now();
    let mut permit = match revision.throttler.arrive(0) {
        Arrival::Admitted(permit) => permit,
        Arrival::Waiting(place) => place.await.expect("a replica comes"),
        other => panic!("wanted to be let in: {other:?}"),
    };
    let waited = begun.elapsed();
    permit.used(crate::sync::now());
    let _inside = Inside::enter(city, permit.replica().endpoint.0);
    sleep(service).await;
    Served { waited }
}
