//! Texts in a `ConfigMap` of our own. What they say is decided elsewhere.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Client};

use super::call::{Failure, in_time, writing};
use super::seams::ApiError;

/// One `ConfigMap`, and how it was seen last: nobody else's words are written over unread.
#[derive(Debug)]
pub struct Document {
    maps: Api<ConfigMap>,
    name: &'static str,
    /// `None` where it is not there.
    seen: Option<ObjectMeta>,
}

impl Document {
    /// The `ConfigMap` of this name.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &'static str) -> Self {
        Self {
            maps: Api::namespaced(client, namespace),
            name,
            seen: None,
        }
    }

    /// Which version was read or written last; `None` where there is none.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.seen.as_ref()?.resource_version.as_deref()
    }

    /// What it says by its keys; nothing where it is not there.
    pub async fn read(&mut self) -> Result<BTreeMap<String, String>, ApiError> {
        let found = in_time(self.maps.get_opt(self.name)).await;
        let map = found.map_err(|failure| failure.error)?;
        self.seen = map.as_ref().map(|map| map.metadata.clone());
        Ok(map.and_then(|map| map.data).unwrap_or_default())
    }

    /// Says something else from now on; a conflict where somebody else did since it was read.
    pub async fn write(&mut self, data: BTreeMap<String, String>) -> Result<(), ApiError> {
        let map = self.whole(data);
        let written = if self.seen.is_some() {
            in_time(self.maps.replace(self.name, &writing(), &map)).await
        } else {
            in_time(self.maps.create(&writing(), &map)).await
        };
        match written {
            Ok(map) => {
                self.seen = Some(map.metadata);
                Ok(())
            }
            Err(Failure { error, .. }) => {
                if error == ApiError::Gone {
                    self.seen = None;
                }
                Err(error)
            }
        }
    }

    fn whole(&self, data: BTreeMap<String, String>) -> ConfigMap {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let new = || ObjectMeta {
            name: Some(self.name.to_owned()),
            labels: Some(BTreeMap::from([
                label("app.kubernetes.io/name", "holdgate"),
                label("app.kubernetes.io/managed-by", "holdgate"),
            ])),
            ..ObjectMeta::default()
        };
        ConfigMap {
            metadata: ObjectMeta {
                managed_fields: None,
                ..self.seen.clone().unwrap_or_else(new)
            },
            data: Some(data),
            ..ConfigMap::default()
        }
    }
}
