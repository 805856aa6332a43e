//! The HTTP server around the routes: limits, counting, clean stop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, sync::Semaphore, sync::watch, task::JoinHandle, time::timeout};

use super::ApiError;
use crate::metrics;

/// Largest request body in bytes: the largest transaction in hexadecimal, and its JSON.
pub const MAX_BODY: usize = 2 * assay_ledger::MAX_TX_BYTES + 1024;

/// Requests served at once; further ones are told to come back.
const MAX_REQUESTS: usize = 64;

/// Time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server; it stops when told to, or when dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

/// The API's port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot serve http on tcp {address}: choose another `http` address or stop the process that uses it"
)]
pub struct ServeError {
    /// The address asked for.
    address: SocketAddr,
    /// What the system said.
    #[source]
    source: io::Error,
}

impl HttpServer {
    /// Serves `routes` on `listen` (port 0 takes a free one).
    ///
    /// # Errors
    /// [`ServeError`] when the port cannot be opened.
    pub async fn start(listen: SocketAddr, routes: Router) -> Result<Self, ServeError> {
        let failed = |source| ServeError {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, mut stopped) = watch::channel(false);
        let server = axum::serve(listener, routes).with_graceful_shutdown(async move {
            // An error means that the handle is gone, which also means stop.
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        let task = tokio::spawn(server.into_future());
        Ok(Self {
            address,
            stop,
            task,
        })
    }

    /// TCP address on which the API is served, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Lets open requests finish for a moment, then stops.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if timeout(Duration::from_secs(2), self.task).await.is_err() {
            tracing::debug!("http connections cut off at stop");
        }
    }
}

/// Puts limits, counting and JSON errors around routes.
pub(super) fn guarded(routes: Router) -> Router {
    routes
        .fallback(|| async {
            ApiError::not_found(
                "there is nothing at this path",
                "GET /openapi.json lists the paths",
            )
        })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not take this method",
                "GET /openapi.json lists the methods",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(
            Arc::new(Semaphore::new(MAX_REQUESTS)),
            guard,
        ))
}

async fn guard(State(slots): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let response = match slots.try_acquire() {
        Err(_) => ApiError::unavailable("too many requests are open").into_response(),
        Ok(_slot) => match timeout(REQUEST_TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => ApiError::unavailable("answering took too long").into_response(),
        },
    };
    metrics::http_served(route.unwrap_or_default(), response.status().as_u16());
    response
}
