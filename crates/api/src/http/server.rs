//! The HTTP server around the routes: limits, counting, clean stop.
//!
//! A stranger may open as many connections as it likes and send as slowly as it likes; none of it
//! keeps others out:
//!
//! - Connections are bounded, in all and for each address. At the bound the one that has waited
//!   longest for its peer to say something makes room, so the open ends of the slow are closed by
//!   the arrival of others and not the other way round. Heads have a time-out, and so has silence.
//! - A request takes a slot only when all of it is here, which must be soon.
//! - What waits for other nodes has slots of its own.
//! - Browsers carry a web page's requests to whatever a name resolves to, this machine included.
//!   A request for a host name that is not ours, or from another origin, is refused.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use assay_ledger::Lasting;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use metrics::counter;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use super::{
    connections::{Connections, Place},
    error::ApiError,
    linger::Lingering,
    origin::Names,
};
use crate::advice::advice;

/// Largest request body in bytes: the largest transaction in hexadecimal, and its JSON.
pub const MAX_BODY: usize = 2 * assay_ledger::MAX_TX_BYTES + 1024;

/// Requests served at once; further ones are told to come back.
const MAX_REQUESTS: usize = 64;

/// Requests served at once that wait for other nodes.
const MAX_RELAYED: usize = 16;

/// Bytes of a connection that wait to be looked at: the longest head, or a piece of a body.
const MAX_HEAD: usize = 64 << 10;

/// Time for the head of a request, from the moment the connection is open.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for the body of a request: 13 kilobytes a second for the largest.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server; it stops when told to, or when dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The API's port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve http on tcp {address}: {}", advice(*.address, .source))]
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
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, routes, stopped));
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
        let abort = self.task.abort_handle();
        if timeout(Duration::from_secs(2), self.task).await.is_err() {
            abort.abort();
            tracing::debug!("http connections cut off at stop");
        }
    }
}

async fn accept(listener: TcpListener, routes: Router, mut stopped: watch::Receiver<bool>) {
    let connections = Connections::default();
    let stops = stopped.clone();
    // Dropped with this task, and all of them with it.
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(place) = connections.enter(peer.ip()) {
                        serving.spawn(serve(stream, peer, routes.clone(), place, stops.clone()));
                    }
                }
                Err(error) => {
                    // Descriptors may have run out; those that close give some back.
                    tracing::warn!(%error, "cannot accept an http connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = serving.join_next() => {}
            () = told_to_stop(&mut stopped) => break,
        }
    }
    drop(listener);
    while serving.join_next().await.is_some() {}
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the handle is gone, which also means stop.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Serves one connection until it ends, has nothing to say for too long, or makes room.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    place: Arc<Place>,
    mut stopped: watch::Receiver<bool>,
) {
    let routes = routes
        .layer(axum::Extension(place.clone()))
        .layer(axum::Extension(ConnectInfo(peer)));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(
            TokioIo::new(Lingering::new(stream)),
            TowerToHyperService::new(routes),
        );
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::trace!(%peer, %error, "http connection ended");
                }
                return;
            }
            // Dropping the connection closes it.
            () = place.over() => return,
            () = told_to_stop(&mut stopped), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

struct Slots {
    here: Semaphore,
    relayed: Semaphore,
    names: Names,
}

/// Puts limits, counting and JSON errors around routes; `names` are the hosts that are ours.
pub(super) fn guarded(routes: Router, names: Names) -> Router {
    let slots = Slots {
        here: Semaphore::new(MAX_REQUESTS),
        relayed: Semaphore::new(MAX_RELAYED),
        names,
    };
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
        .layer(middleware::from_fn_with_state(Arc::new(slots), guard))
}

async fn guard(State(slots): State<Arc<Slots>>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let response = match answer(&slots, route.as_deref(), request, next).await {
        Ok(response) => response,
        Err(error) => refusal(error),
    };
    let (route, status) = (route.unwrap_or_default(), response.status().as_u16());
    counter!("assay_http_requests_total", "route" => route, "status" => status.to_string())
        .increment(1);
    response
}

/// What is refused before it is read ends its connection: the rest of it may still come.
fn refusal(error: ApiError) -> Response {
    let unread = [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];
    let ends = unread.contains(&error.status());
    let mut response = error.into_response();
    if ends {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

async fn answer(
    slots: &Slots,
    route: Option<&str>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    slots.names.check(request.headers())?;
    let place = request.extensions().get::<Arc<Place>>().cloned();
    let request = whole(request).await?;
    // From here on it is we who are slow.
    let _busy = place.as_ref().map(|place| place.busy());
    let waits_for_others = route.is_some_and(|route| route.ends_with("/progress"));
    let slots = if waits_for_others {
        &slots.relayed
    } else {
        &slots.here
    };
    let _slot = slots
        .try_acquire()
        .map_err(|_| ApiError::unavailable("too many requests are open"))?;
    timeout(REQUEST_TIMEOUT, next.run(request))
        .await
        .map_err(|_| ApiError::unavailable("answering took too long"))
}

/// The request with all of its body.
async fn whole(request: Request) -> Result<Request, ApiError> {
    let too_long = || {
        let hint = format!("a body has at most {MAX_BODY} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long", hint)
    };
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(too_long());
    }
    let (parts, body) = request.into_parts();
    let began = Instant::now();
    match timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(error)) if is_too_long(&error) => Err(too_long()),
        Ok(Err(_)) => Err(ApiError::invalid(
            "the body could not be read",
            "send it again",
        )),
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the body was not here after {}",
                Lasting::from(began.elapsed())
            ),
            "send the whole body at once",
        )),
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut below: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = below {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        below = error.source();
    }
    false
}
