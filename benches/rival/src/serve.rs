//! The shop behind axum.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use axum::response::Response;
use brigade_shop::{ContentType, Request};

use crate::house::{House, Reply};

/// The longest form that is read, in bytes: as in Brigade.
const BODY_BYTES_MAX: usize = 16_384;

/// The house, for a server of one thread: nobody ever waits for the lock.
type Shared = Arc<Mutex<House>>;

/// The application.
pub fn application(house: House) -> Router {
    let house: Shared = Arc::new(Mutex::new(house));
    Router::new().fallback(answer).with_state(house)
}

async fn answer(State(house): State<Shared>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let method = match parts.method {
        Method::GET | Method::HEAD => brigade_shop::Method::Get,
        Method::POST => brigade_shop::Method::Post,
        _ => return plain(StatusCode::NOT_IMPLEMENTED),
    };
    let form = match method {
        brigade_shop::Method::Get => Default::default(),
        brigade_shop::Method::Post => match axum::body::to_bytes(body, BODY_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(_) => return plain(StatusCode::PAYLOAD_TOO_LARGE),
        },
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let request = Request {
        method,
        path: parts.uri.path().as_bytes(),
        query: parts.uri.query().unwrap_or_default().as_bytes(),
        cookies: cookies(&parts),
        body: &form,
        now_s: now.map_or(0, |now| now.as_secs() as i64),
    };
    // A panic while it was held has changed no more than a batch, which is all or nothing.
    let mut house = house.lock().unwrap_or_else(PoisonError::into_inner);
    response(house.answer(&request))
}

fn cookies(parts: &Parts) -> &[u8] {
    let cookies = parts.headers.get(header::COOKIE);
    cookies.map_or(b"", HeaderValue::as_bytes)
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let content_type = match reply.content_type {
        ContentType::Html => "text/html; charset=utf-8",
        ContentType::Css => "text/css; charset=utf-8",
        ContentType::Text => "text/plain; charset=utf-8",
        ContentType::Svg => "image/svg+xml",
        ContentType::Png => "image/png",
    };
    let cache = match reply.cacheable {
        true => "max-age=3600",
        false => "no-store",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    for line in reply.headers.split_terminator("\r\n") {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    response
}
