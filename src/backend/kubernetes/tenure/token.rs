//! By what the gateways of one installation know each other: a text in a Secret, made by whoever steers
//! where there is none.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Client};
use rand::TryRng;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::backend::kubernetes::call::{Failure, in_time, writing};
use crate::backend::kubernetes::own::PEERS;
use crate::backend::kubernetes::seams::ApiError;
use crate::peers::Credential;

/// Where in it the token stands.
const KEY: &str = "token";

/// It is looked up no more often than this.
const AGAIN: Duration = Duration::from_secs(2);

/// Looks the token up, and makes one where there is none and `reign` is ours. Looks again as long as
/// there is none, and whenever one was refused.
pub(super) fn follow(
    client: Client,
    namespace: &str,
    reign: watch::Receiver<Option<u64>>,
) -> (Credential, AbortOnDropHandle<()>) {
    let token = watch::Sender::new(None);
    let doubt = Arc::new(Notify::new());
    let credential = Credential::new(token.subscribe(), Arc::clone(&doubt));
    let keeper = Keeper {
        secrets: Api::namespaced(client, namespace),
        reign,
        told: None,
    };
    let looking = tokio::spawn(keeper.run(token, doubt));
    (credential, AbortOnDropHandle::new(looking))
}

struct Keeper {
    secrets: Api<Secret>,
    reign: watch::Receiver<Option<u64>>,
    /// What was said last about why there is none.
    told: Option<String>,
}

impl Keeper {
    async fn run(mut self, token: watch::Sender<Option<Arc<str>>>, doubt: Arc<Notify>) {
        loop {
            match self.look().await {
                Ok(found) => {
                    self.told = None;
                    if let Some(found) = found {
                        let found: Option<Arc<str>> = Some(found.into());
                        token.send_if_modified(|known| {
                            let changed = *known != found;
                            known.clone_from(&found);
                            changed
                        });
                    }
                }
                Err(why) => self.tell(why),
            }
            sleep(AGAIN).await;
            let is_known = token.borrow().is_some();
            if is_known {
                doubt.notified().await;
            } else {
                // Whoever begins to steer makes one.
                let _ = timeout(AGAIN, self.reign.changed()).await;
            }
        }
    }

    async fn look(&self) -> Result<Option<String>, String> {
        for _ in 0..2 {
            let found = in_time(self.secrets.get_opt(PEERS)).await;
            if let Some(secret) = found.map_err(|failure| words(&failure))? {
                return read(&secret).map(Some);
            }
            if self.reign.borrow().is_none() {
                return Ok(None);
            }
            let made = fresh();
            match in_time(self.secrets.create(&writing(), &secret(&made))).await {
                Ok(_) => return Ok(Some(made)),
                // Somebody was faster.
                Err(Failure {
                    error: ApiError::Conflict,
                    ..
                }) => {}
                Err(failure) => return Err(words(&failure)),
            }
        }
        Ok(None)
    }

    fn tell(&mut self, why: String) {
        if self.told.as_ref() != Some(&why) {
            tracing::warn!(
                secret = PEERS,
                "gateways cannot know each other, so that none shares with another: {why}"
            );
            self.told = Some(why);
        }
    }
}

fn words(failure: &Failure) -> String {
    failure.error.to_string()
}

fn read(secret: &Secret) -> Result<String, String> {
    let written = secret.data.as_ref().and_then(|data| data.get(KEY));
    let token = written.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
    let token = token.map(|token| token.trim().to_owned());
    let token = token.filter(|token| !token.is_empty());
    token.ok_or_else(|| format!("it says nothing under {KEY}"))
}

/// 256 bits that nobody guesses.
fn fresh() -> String {
    let mut bytes = [0_u8; 32];
    let drawn = rand::rngs::SysRng.try_fill_bytes(&mut bytes);
    drawn.expect("the system has random numbers");
    let mut token = String::new();
    for byte in bytes {
        let _ = write!(token, "{byte:02x}");
    }
    token
}

fn secret(token: &str) -> Secret {
    let label = |name: &str| (name.to_owned(), "holdgate".to_owned());
    Secret {
        metadata: ObjectMeta {
            name: Some(PEERS.to_owned()),
            labels: Some(BTreeMap::from([
                label("app.kubernetes.io/name"),
                label("app.kubernetes.io/managed-by"),
            ])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(
            KEY.to_owned(),
            ByteString(token.as_bytes().to_vec()),
        )])),
        ..Secret::default()
    }
}
