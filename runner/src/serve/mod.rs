//! The dashboard: what the ledger holds, over HTTP.
//!
//! One thread answers (`tokio`, single-threaded); whatever asks the ledger goes
//! to threads of its own, which look into it through a few read-only
//! connections. `docs/dashboard.md` describes what can be asked.

mod act;
mod answer;
mod api;
mod asked;
mod events;
mod guard;
pub mod ingest;
mod metrics;
mod page;
mod readers;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use futures_util::future::select;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use self::answer::Problem;
use self::events::Hub;
use self::guard::Guard;
use self::ingest::Intake;
use self::readers::Readers;
use crate::exit::Failure;

/// The longest body of a request, in bytes.
const BODY: usize = 64 << 10;
/// Threads that wait for the ledger or the disk.
const THREADS: usize = 8;
/// How long answers that are under way may take when the server ends.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Sends what waits for the sink of this name, on a thread of its own. The
/// error says what is wrong with the sink.
pub type Resend = Box<dyn Fn(&str) -> Result<(), Failure> + Send + Sync>;

/// What is served, and to whom.
pub struct Options {
    /// The ledger, which need not be there yet.
    pub ledger: PathBuf,
    /// What whoever asks must know.
    pub token: Option<Zeroizing<String>>,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// The names of the sinks of the configuration.
    pub sinks: Vec<String>,
    /// The labels of the configuration, which matchers may name.
    pub labels: Vec<(String, String)>,
    /// Who makes a silence here.
    pub author: String,
    /// Sends what waits.
    pub resend: Resend,
    /// Takes records that are posted; none: nothing is taken.
    pub intake: Option<Arc<Intake>>,
}

/// What all requests share.
struct App {
    readers: Readers,
    guard: Guard,
    hub: Hub,
    options: Options,
}

/// A server that listens, and does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<App>,
}

impl Server {
    /// Listens at an address; port 0 means any that is free.
    ///
    /// # Errors
    ///
    /// If the operating system does not let us.
    pub fn bind(listen: SocketAddr, mut options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let guard = Guard::new(address, options.token.take());
        let app = App {
            readers: Readers::new(options.ledger.clone()),
            guard,
            hub: Hub::default(),
            options,
        };
        Ok(Self {
            listener,
            address,
            app: Arc::new(app),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `end` says something or is dropped.
    ///
    /// # Errors
    ///
    /// If the operating system gives us no threads, or the listener fails.
    pub fn run(self, end: oneshot::Receiver<()>) -> io::Result<()> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(THREADS)
            .thread_name("serve")
            .build()?;
        let watcher = events::watch(self.app.clone())?;
        let app = self.app.clone();
        let ended = runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let (told, over) = oneshot::channel::<()>();
            let hub = app.clone();
            let serve = axum::serve(listener, router(app)).with_graceful_shutdown(async move {
                // Dropped means the same.
                let _ = end.await;
                if let Some(intake) = &hub.options.intake {
                    intake.close();
                }
                hub.hub.close();
                let _ = told.send(());
            });
            // A request that takes long must not hold the end up.
            let patience = pin!(async {
                let _ = over.await;
                tokio::time::sleep(LAST_WAIT).await;
                Ok(())
            });
            let serve = pin!(serve.into_future());
            select(serve, patience).await.factor_first().0
        });
        runtime.shutdown_background();
        self.app.hub.close();
        // A panic has printed itself by now.
        let _ = watcher.join();
        ended
    }
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page::shell))
        .route("/app.js", get(page::script))
        .route("/app.css", get(page::style))
        .route("/api/runs", get(api::runs))
        .route("/api/run", get(api::run))
        .route("/api/series", get(api::series))
        .route("/api/alerts", get(api::alerts))
        .route("/api/alert", get(api::alert))
        .route("/api/deliveries", get(api::deliveries))
        .route("/api/sinks", get(api::sinks))
        .route("/api/silences", get(api::silences))
        .route("/api/detectors", get(api::detectors))
        .route("/api/acknowledge", post(act::acknowledge))
        .route("/api/silence", post(act::silence))
        .route("/api/unsilence", post(act::unsilence))
        .route("/api/resend", post(act::resend))
        .route(ingest::PATH, post(ingest::ingest))
        .route("/events", get(events::stream))
        .route("/metrics", get(metrics::metrics))
        .fallback(|| async { Problem::no_page() })
        .method_not_allowed_fallback(|| async { Problem::no_method() })
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}
