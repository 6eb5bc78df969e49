//! How a sink reaches its service, as the configuration says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::secret::Secret;

/// How a sink reaches its service.
#[derive(Debug, Clone, PartialEq)]
pub struct Transport {
    /// From the first byte sent to the last received.
    pub timeout: Duration,
    /// Loopback and private addresses may be reached.
    pub allow_private: bool,
    /// Without encryption, too.
    pub allow_http: bool,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The proxy; none from the environment.
    pub proxy: Option<Arc<Secret>>,
}

impl Default for Transport {
    /// 15 seconds, as Standard Webhooks advises; nothing allowed.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            allow_private: false,
            allow_http: false,
            ca_file: None,
            proxy: None,
        }
    }
}
