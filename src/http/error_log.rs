//! Logs errors that are not the client's, each once, with the chain of its causes.

use std::error::Error;

use crate::domain::RequestError;

/// Logs an error that is caused by tagd or the database.
pub(super) fn log(error: &RequestError) {
    if let Some(source) = error.source() {
        if let RequestError::Unavailable { outage, .. } = error {
            tracing::warn!(error = chain(source), "{outage}");
        } else {
            tracing::error!(error = chain(source), "a request failed");
        }
    }
}

/// Logs why a response was cut off that had begun.
pub(super) fn log_cut(what: &str, error: &RequestError) {
    if error.source().is_some() {
        log(error);
    } else {
        tracing::info!(%error, "{what} was cut off");
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
