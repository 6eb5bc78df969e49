//! Answers: JSON, or what is wrong and what to do next.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::exit::Failure;
use crate::ledger::LedgerError;

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: String,
    hint: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let (error, hint) = (error.into(), None);
        Self {
            status,
            error,
            hint,
        }
    }

    /// A request that does not fit.
    pub(super) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// Something that is not there.
    pub(super) fn missing(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub(super) fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    pub(super) fn no_page() -> Self {
        Self::missing("there is nothing at this address").hint("the dashboard is at /")
    }

    pub(super) fn no_method() -> Self {
        let error = "this address does not take this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, error)
            .hint("what is asked is GET, what changes something is POST")
    }

    /// A thread that was to look into the ledger failed.
    pub(super) fn broken() -> Self {
        let error = "this could not be answered, which is a bug of runwatch";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.0)
            .hint("the ledger cannot be used now; if that stays so, see `runwatch list runs`")
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let mut errors = failure.errors.into_iter();
        let (error, hint) = errors.next().unwrap_or_default();
        Self {
            hint,
            ..Self::bad(error)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "hint": self.hint });
        (self.status, Json(body)).into_response()
    }
}
