//! Answers: JSON, bytes as they are, or an `ErrorBody` with the status that its class has.

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use manifest::api::{ErrorBody, ErrorClass};
use rustix::fd::OwnedFd;
use serde::Serialize;

/// What a request is answered with.
#[derive(Debug)]
pub enum Content {
    /// A document.
    Json(Bytes),
    /// Bytes that mean nothing here.
    Octets(Bytes),
}

/// What comes of a request that is carried out.
#[derive(Debug)]
pub enum Outcome {
    /// An answer.
    Answered(Content),
    /// Another protocol, spoken with this socket: see [`crate::session`].
    Switched(OwnedFd),
}

/// A request that is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// What the client is told.
    pub body: ErrorBody,
    /// Methods that the path does have, for 405.
    pub allow: Option<String>,
}

/// HTTP status of each class of error.
pub const fn status(class: ErrorClass) -> StatusCode {
    match class {
        ErrorClass::Usage => StatusCode::BAD_REQUEST,
        ErrorClass::BadInput | ErrorClass::Untrusted | ErrorClass::NotGranted => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorClass::NotFound => StatusCode::NOT_FOUND,
        ErrorClass::Conflict => StatusCode::CONFLICT,
        ErrorClass::Forbidden => StatusCode::FORBIDDEN,
        ErrorClass::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        ErrorClass::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorClass::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Refusal {
    /// A refusal of this class, with its status.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        ErrorBody { class, message: message.into(), hint: None }.into()
    }

    /// Where HTTP has a more precise status than the class.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// What to do next.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }
}

impl From<ErrorBody> for Refusal {
    fn from(body: ErrorBody) -> Self {
        Self { status: status(body.class), body, allow: None }
    }
}

/// The response to a request.
pub fn response(result: Result<Content, Refusal>) -> Response<Full<Bytes>> {
    let (status, content, allow) = match result {
        Ok(content) => (StatusCode::OK, content, None),
        Err(refusal) => {
            let bytes = serde_json::to_vec(&refusal.body).unwrap_or_default();
            (refusal.status, Content::Json(bytes.into()), refusal.allow)
        }
    };
    let (kind, bytes) = match content {
        Content::Json(bytes) => ("application/json", bytes),
        Content::Octets(bytes) => ("application/octet-stream", bytes),
    };
    let mut response = Response::new(Full::new(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(allow) = allow.and_then(|methods| HeaderValue::try_from(methods).ok()) {
        headers.insert(ALLOW, allow);
    }
    response
}

/// Writes an answer.
pub fn json(value: &impl Serialize) -> Result<Content, Refusal> {
    let bytes = serde_json::to_vec(value);
    bytes
        .map(|bytes| Content::Json(bytes.into()))
        .map_err(|e| Refusal::new(ErrorClass::Internal, format!("the answer cannot be written: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_error_has_the_status_that_is_documented() {
        let table = [
            (ErrorClass::Usage, 400),
            (ErrorClass::BadInput, 422),
            (ErrorClass::Untrusted, 422),
            (ErrorClass::NotGranted, 422),
            (ErrorClass::NotFound, 404),
            (ErrorClass::Conflict, 409),
            (ErrorClass::Forbidden, 403),
            (ErrorClass::NoSpace, 507),
            (ErrorClass::Unavailable, 503),
            (ErrorClass::Internal, 500),
        ];
        for (class, number) in table {
            assert_eq!(response(Err(Refusal::new(class, "x"))).status(), number);
        }
    }
}
